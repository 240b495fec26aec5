# Makes reference/differences.json: influences, pseudo-values, clusters and standardised curves.
#
#   Rscript tests/oracle/make_differences_reference.R tests/oracle/reference
#
# R's packages survival and riskRegression are only run, never copied: what is written are numbers,
# and the call that made them. Data: `lung` as in make_reference.R, and `spells`, made by
# whole-number arithmetic as in make_cox_reference.R.

suppressMessages({
  library(survival)
  library(riskRegression)
})
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
lung <- survival::lung
lung$event <- lung$status - 1
lung$cause <- ifelse(lung$event == 1, 1 + lung$age %% 2, 0)
lung$f <- factor(lung$cause, 0:2)
lung$entry <- (lung$age * 7) %% 60
lung$whole <- 1 + lung$age %% 3
lung$part <- 0.5 + (lung$age %% 4) / 3
lung$site <- lung$age %% 5
lung$one <- 1
late <- lung[lung$entry < lung$time, ]
late$id <- seq_len(nrow(late))
lung$id <- seq_len(nrow(lung))
times <- c(100, 300, 365, 600)

# --- every option against every other: standard errors and influences at four times ----------------
grid <- expand.grid(
  kind = c("km", "aj"), entry = c(FALSE, TRUE), weights = c("one", "part"),
  cluster = c(FALSE, TRUE), stringsAsFactors = FALSE
)
curves <- list()
for (k in seq_len(nrow(grid))) {
  o <- grid[k, ]
  data <- if (o$entry) late else lung
  data$w <- data[[o$weights]]
  data$group <- if (o$cluster) data$site else data$id
  end <- if (o$kind == "km") "event" else "f"
  formula <- as.formula(sprintf(if (o$entry) "Surv(entry, time, %s) ~ sex" else
    "Surv(time, %s) ~ sex", end))
  fit <- eval(bquote(survfit(.(formula), data, weights = w, id = id, cluster = group,
                             robust = TRUE)))
  pick <- function(x) if (o$kind == "km") x else x[, -1]
  at <- summary(fit, times = times, extend = TRUE)
  moved <- residuals(fit, times = times, type = "pstate", weighted = TRUE)
  area <- residuals(fit, times = 365, type = "auc", weighted = TRUE)
  if (o$kind == "aj") {
    moved <- aperm(moved[, , -1], c(1, 3, 2))  # rows × causes × times
    area <- if (length(dim(area)) == 3) area[, -1, 1] else area[, -1]
  }
  std_error <- c(pick(at$std.err))
  if (o$kind == "aj" && o$cluster) {
    # survfit(cluster=) gives the unclustered errors of competing risks; its residuals do not
    of_sex <- function(v) {
      sums <- apply(moved[data$sex == v, , ], 2:3, rowsum, data$group[data$sex == v])
      sqrt(apply(sums^2, 2:3, sum))  # causes × times
    }
    both <- list(of_sex(1), of_sex(2))
    std_error <- unlist(lapply(1:2, function(k) lapply(both, function(m) m[k, ])))
  }
  some <- seq(1, nrow(data), by = 9)
  key <- paste(o$kind, c("no", "yes")[1 + o$entry], o$weights, c("no", "yes")[1 + o$cluster],
               sep = "|")
  curves[[key]] <- list(
    call = deparse1(formula), estimate = c(pick(if (o$kind == "km") at$surv else
      at$pstate)), std_error = std_error, rows = some - 1,
    influence = if (o$kind == "km") c(moved[some, ]) else c(moved[some, , ]),
    area = if (o$kind == "km") c(area[some]) else c(area[some, ])
  )
}

# --- pseudo-values ------------------------------------------------------------------------------
rows <- seq(1, 228, by = 7)
km <- survfit(Surv(time, event) ~ sex, lung)
km_part <- survfit(Surv(time, event) ~ sex, lung, weights = part)
aj <- survfit(Surv(time, f) ~ sex, lung)
pseudo_aj <- pseudo(aj, times = times)
pseudos <- list(
  rows = rows - 1,
  km = c(as.matrix(pseudo(km, times = times))[rows, ]),
  km_part = c(as.matrix(pseudo(km_part, times = times))[rows, ]),
  rmst = c(as.matrix(pseudo(km, times = 365, type = "rmst"))[rows, ]),
  aj_dim = dim(pseudo_aj),
  aj = c(pseudo_aj[rows, , 2:3])
)

# --- restricted means ---------------------------------------------------------------------------
mean_of <- function(fit, horizon) {
  table <- summary(fit, rmean = horizon)$table
  list(estimate = table[, 5], std_error = table[, 6])
}
rmst <- list(rmst_365 = mean_of(km, 365), rmst_600 = mean_of(km, 600))

# --- standardised curves ------------------------------------------------------------------------
i <- 1:240
spells <- data.frame(
  time = 1 + (((i * 7919) %% 997) * (1 + i %% 3)) %% 24,
  a = factor((i * 11) %% 2 + ((i * 17) %% 5 == 0) * (1 - 2 * ((i * 11) %% 2))),
  x = ((i * 37) %% 101) / 25,
  z = factor(c("p", "q", "r")[1 + i %% 3]),
  layer = ((i * 613) %% 89) %% 3
)
spells$event <- as.integer(((i * 104729) %% 101) %% 3 > 0)
untied <- spells[order(spells$time, spells$x, i), ]
untied$time <- untied$time + seq_along(i) / 1024
g_formula <- function(data, formula, ties, times) {
  fit <- coxph(formula, data, ties = ties, x = TRUE, y = TRUE,
               control = coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 60))
  levels <- levels(data$a)
  means <- lapply(levels, function(v) {
    new <- data
    new$a <- factor(v, levels = levels)
    fits <- survfit(fit, newdata = new)
    # each row on its own stratum
    if (is.null(fits$strata)) return(rowMeans(summary(fits, times = times, extend = TRUE)$surv))
    rows <- vapply(seq_len(nrow(new)), function(k) {
      summary(survfit(fit, newdata = new[k, ]), times = times, extend = TRUE)$surv
    }, numeric(length(times)))
    rowMeans(rows)
  })
  effect <- NULL
  if (ties == "breslow") {
    ate <- suppressWarnings(ate(fit, data = data, treatment = "a", times = times, se = TRUE,
                                cause = 1, verbose = FALSE))
    risks <- as.data.frame(ate$meanRisk)
    gaps <- as.data.frame(ate$diffRisk)
    effect <- list(risk = risks$estimate, risk_se = risks$se, risk_time = risks$time,
                   gap = gaps$estimate, gap_se = gaps$se, gap_time = gaps$time)
  }
  c(list(call = deparse1(formula), level = levels, times = times, survival = unlist(means)), effect)
}
at <- c(3, 8, 15, 20)
standardised <- list(
  efron = g_formula(spells, Surv(time, event) ~ a + x + z, "efron", at),
  breslow = g_formula(spells, Surv(time, event) ~ a + x + z, "breslow", at),
  untied = g_formula(untied, Surv(time, event) ~ a * x + z, "breslow", at),
  strata_efron = g_formula(spells, Surv(time, event) ~ a + x + strata(layer), "efron", at),
  strata = g_formula(untied, Surv(time, event) ~ a + x + strata(layer), "breslow", at)
)

sections <- list(curves = curves, pseudo = pseudos, rmst = rmst, standardised = standardised)
versions <- paste(R.version.string, "survival", packageVersion("survival"), "riskRegression",
                  packageVersion("riskRegression"))
lines <- vapply(names(sections), function(n) paste0('    "', n, '": ', json(sections[[n]])), "")
text <- c("{", '  "made_by": "make_differences_reference.R",',
          paste0('  "versions": "', versions, '",'), '  "cases": {',
          paste(lines, collapse = ",\n"), "  }", "}")
writeLines(text, file.path(folder, "differences.json"))
