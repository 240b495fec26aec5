# Makes reference/cox.json, the numbers that the Cox model is held against.
#
#   Rscript tests/oracle/make_cox_reference.R tests/oracle/reference
#
# R's survival package is only run, never copied: what is written are numbers, and the call that
# made them. Data: `spells`, made by whole-number arithmetic (spells in test_cox_against_r.py).

suppressMessages(library(survival))
folder <- commandArgs(trailingOnly = TRUE)[1]

json <- function(x) {
  if (is.list(x)) {
    return(paste0("{", paste0('"', names(x), '": ', vapply(x, json, ""), collapse = ", "), "}"))
  }
  if (is.character(x)) out <- paste0('"', gsub('"', "'", x), '"')
  else out <- ifelse(is.na(x), "null", format(as.numeric(x), digits = 15, trim = TRUE))
  out <- trimws(out)
  if (length(x) == 1 && is.null(dim(x))) out else paste0("[", paste(out, collapse = ", "), "]")
}

# --- data ---------------------------------------------------------------------------------------
i <- 1:240
spells <- data.frame(
  id = i,
  time = 1 + (((i * 7919) %% 997) * (1 + i %% 3)) %% 24,
  x = ((i * 37) %% 101) / 25,
  z = factor(c("a", "b", "c")[1 + i %% 3]),
  whole = 1 + ((i * 5) %% 7) %% 3,
  part = 0.5 + (i %% 4) / 3,
  site = (i * 11) %% 25,
  layer = ((i * 613) %% 89) %% 3,
  shift = ((i * 29) %% 23) / 30
)
spells$event <- as.integer(((i * 104729) %% 101) %% 3 > 0)
spells$entry <- pmin(spells$time - 1, ((i * 271) %% 97) %% 6)
few <- spells[spells$id <= 40, ]
control <- coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 60)

# --- every option against every other -----------------------------------------------------------
fit_of <- function(data, ties, entry, weights, strata, cluster, offset) {
  if (weights == "whole") data <- data[rep(seq_len(nrow(data)), data$whole), ]
  data$row <- seq_len(nrow(data))
  data$w <- if (weights == "part") data$part else 1
  data$group <- if (cluster) data$site else data$row
  left <- if (entry) "Surv(entry, time, event)" else "Surv(time, event)"
  right <- c("x", "z", if (strata) "strata(layer)", if (offset) "offset(shift)")
  formula <- as.formula(paste(left, "~", paste(right, collapse = " + ")))
  environment(formula) <- environment()
  if (ties == "exact") return(coxph(formula, data, ties = ties, control = control, x = TRUE))
  if (cluster || weights == "part") {
    coxph(formula, data, ties = ties, weights = w, cluster = group, control = control, x = TRUE)
  } else {
    coxph(formula, data, ties = ties, weights = w, control = control, x = TRUE)
  }
}
grid <- expand.grid(
  ties = c("efron", "breslow", "exact"), entry = c(FALSE, TRUE),
  weights = c("none", "whole", "part"), strata = c(FALSE, TRUE), cluster = c(FALSE, TRUE),
  offset = c(FALSE, TRUE), stringsAsFactors = FALSE
)
# R has neither weights nor clusters with exact ties, and with entry it lists all choices one by one
grid <- grid[!(grid$ties == "exact" & (grid$weights == "part" | grid$cluster)), ]
grid <- grid[!(grid$ties == "exact" & grid$entry & grid$weights == "whole"), ]
flag <- function(x) if (x) "yes" else "no"
fits <- list()
for (k in seq_len(nrow(grid))) {
  g <- grid[k, ]
  data <- if (g$ties == "exact") few else spells
  fit <- fit_of(data, g$ties, g$entry, g$weights, g$strata, g$cluster, g$offset)
  name <- paste(g$ties, flag(g$entry), g$weights, flag(g$strata), flag(g$cluster),
                flag(g$offset), sep = "|")
  naive <- if (is.null(fit$naive.var)) fit$var else fit$naive.var
  upper <- upper.tri(naive, diag = TRUE)
  C <- fit$concordance
  fits[[name]] <- list(coef = unname(coef(fit)), var = fit$var[upper], naive = naive[upper],
                       loglik = fit$loglik, score = fit$score, wald = unname(fit$wald.test),
                       concordance = unname(C[c("concordance", "std")]))
}

# --- what a fit is asked afterwards -------------------------------------------------------------
new <- data.frame(x = c(0.4, 3.2), z = factor(c("a", "c"), c("a", "b", "c")), layer = c(0, 2),
                  shift = c(0, 0.5))
after <- function(ties, entry, weights, strata) {
  fit <- fit_of(few, ties, entry, weights, strata, FALSE, FALSE)
  robust <- weights == "part"
  once <- !duplicated(if (weights == "whole") rep(few$id, few$whole) else few$id)
  out <- list()
  kinds <- c("martingale", "deviance", if (ties != "exact") "dfbeta",
             if (ties != "exact" && weights == "none") c("score", "dfbetas"))
  for (kind in kinds) {
    r <- as.matrix(residuals(fit, kind, weighted = FALSE))
    out[[kind]] <- unname(c(t(r[once, ])))
  }
  if (ties != "exact" && weights != "whole") {
    for (kind in c("schoenfeld", "scaledsch")) {
      out[[kind]] <- unname(c(t(as.matrix(residuals(fit, kind)))))
    }
  }
  for (transform in c("km", "rank", "identity", "log")) {
    table <- tryCatch(cox.zph(fit, transform)$table, error = function(e) NULL)
    if (!is.null(table)) {
      out[[paste0("zph_", transform)]] <- c(t(table[, c("chisq", "df")]))
    }
  }
  curve <- survfit(fit, newdata = new, se.fit = TRUE, robust = FALSE)
  if (!strata) {
    keep <- curve$n.event > 0
    out$time <- curve$time[keep]
    out$cumhaz <- c(curve$cumhaz[keep, ])
    if (!robust) {
      out$surv_error <- c(curve$std.err[keep, ])
      out$lower <- c(curve$lower[keep, ])
      out$upper <- c(curve$upper[keep, ])
    }
  } else {
    keep <- curve$n.event > 0
    out$time <- curve$time[keep]
    out$cumhaz <- curve$cumhaz[keep]
    if (!robust) {
      out$surv_error <- curve$std.err[keep]
      out$lower <- curve$lower[keep]
      out$upper <- curve$upper[keep]
    }
  }
  lp <- predict(fit, new, type = "lp", se.fit = TRUE, reference = "zero")
  out$lp <- unname(lp$fit)
  out$lp_error <- unname(lp$se.fit)
  out
}
cases <- expand.grid(
  ties = c("efron", "breslow", "exact"), entry = c(FALSE, TRUE),
  weights = c("none", "whole", "part"), strata = c(FALSE, TRUE), stringsAsFactors = FALSE
)
cases <- cases[!(cases$ties == "exact" & (cases$weights == "part" | cases$entry)), ]
cases <- cases[cases$entry == cases$strata | cases$ties == "efron", ]
later <- list()
for (k in seq_len(nrow(cases))) {
  g <- cases[k, ]
  name <- paste(g$ties, flag(g$entry), g$weights, flag(g$strata), sep = "|")
  later[[name]] <- after(g$ties, g$entry, g$weights, g$strata)
}

all <- list(fits = fits, after = later)
lines <- character()
for (part in names(all)) {
  rows <- vapply(names(all[[part]]), function(n) paste0('    "', n, '": ', json(all[[part]][[n]])), "")
  lines <- c(lines, paste0('  "', part, '": {\n', paste(rows, collapse = ",\n"), "\n  }"))
}
writeLines(c("{", '  "made_by": "make_cox_reference.R",',
             paste0('  "versions": "', R.version.string, " survival ", packageVersion("survival"), '",'),
             '  "cases": {', paste(lines, collapse = ",\n"), "  }", "}"),
           file.path(folder, "cox.json"))
