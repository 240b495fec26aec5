# Makes the reference numbers in reference/ that the oracle tests hold the toolkit against.
#
#   Rscript tests/oracle/make_reference.R tests/oracle/reference
#
# R's packages are only run, never copied: what is written are numbers, and the call that made them.
# Data: `lung` of the survival package (lifelines ships the same rows), and `months`, made by whole-
# number arithmetic so that both sides have it without a file (made_months in survival_reference.py).

suppressMessages({
  library(survival)
  library(cmprsk)
})
folder <- commandArgs(trailingOnly = TRUE)[1]

# --- writing: 15 digits leave 1e-8 far behind; NA and NaN become null -------------------
json <- function(x) {
  if (is.list(x)) {
    return(paste0("{", paste0('"', names(x), '": ', vapply(x, json, ""), collapse = ", "), "}"))
  }
  if (is.character(x)) out <- paste0('"', gsub('"', "'", x), '"')
  else out <- ifelse(is.na(x), "null", format(as.numeric(x), digits = 15, trim = TRUE))
  out <- trimws(out)
  if (length(x) == 1 && is.null(dim(x))) out else paste0("[", paste(out, collapse = ", "), "]")
}
write_cases <- function(name, cases) {
  versions <- paste(R.version.string, "survival", packageVersion("survival"),
                    "cmprsk", packageVersion("cmprsk"))
  lines <- vapply(names(cases), function(n) paste0('    "', n, '": ', json(cases[[n]])), "")
  text <- c("{", paste0('  "made_by": "make_reference.R",'),
            paste0('  "versions": "', versions, '",'), '  "cases": {',
            paste(lines, collapse = ",\n"), "  }", "}")
  writeLines(text, file.path(folder, paste0(name, ".json")))
}

# --- data ---------------------------------------------------------------------------------------
lung <- survival::lung
lung$event <- lung$status - 1
lung$cause <- ifelse(lung$event == 1, 1 + lung$age %% 2, 0)
lung$entry <- (lung$age * 7) %% 60
lung$whole <- 1 + lung$age %% 3
lung$part <- 0.5 + (lung$age %% 4) / 3
lung$site <- lung$age %% 5
late <- lung[lung$entry < lung$time, ]

i <- 1:600
months <- data.frame(
  time = 1 + ((((i * 7919) %% 997) %% 24) * (2 + i %% 3)) %/% 4,
  cause = ((i * 104729) %% 101) %% 4,
  group = i %% 3,
  stratum = ((i * 613) %% 89) %% 5
)
months$entry <- pmin(months$time - 1, ((i * 271) %% 97) %% 6)

# --- curves -------------------------------------------------------------------------------------
groups_of <- function(fit) {
  if (is.null(fit$strata)) return(rep("all", length(fit$time)))
  sub(".*=", "", rep(names(fit$strata), fit$strata))
}
km <- function(call) {
  fit <- eval(parse(text = call))
  list(call = call, group = groups_of(fit), time = fit$time, n_risk = fit$n.risk,
       n_event = fit$n.event, n_censor = fit$n.censor, estimate = fit$surv,
       std_error = summary(fit, censored = TRUE)$std.err, conf_low = fit$lower,
       conf_high = fit$upper)
}
quantiles <- function(call, probs = c(0.25, 0.5, 0.75)) {
  q <- quantile(eval(parse(text = call)), probs)
  list(call = call, estimate = c(t(q$quantile)), conf_low = c(t(q$lower)),
       conf_high = c(t(q$upper)))
}
# areas by survfit's rmean, which is survRM2's formula
rmst <- function(call, horizon) {
  table <- summary(eval(parse(text = call)), rmean = horizon)$table
  table <- matrix(table, ncol = 9, dimnames = list(NULL, NULL))
  list(call = call, horizon = horizon, estimate = table[, 5], std_error = table[, 6])
}
aj <- function(call) {
  fit <- eval(parse(text = call))
  pick <- function(x) c(x[, -1])  # a cause under the other
  k <- ncol(fit$pstate) - 1
  list(call = call, group = rep(groups_of(fit), k), time = rep(fit$time, k),
       cause = rep(fit$states[-1], each = length(fit$time)),
       n_event = pick(fit$n.event), estimate = pick(fit$pstate), std_error = pick(fit$std.err),
       conf_low = pick(fit$lower), conf_high = pick(fit$upper))
}
lung$f <- factor(lung$cause, 0:2)
late$f <- factor(late$cause, 0:2)
months$f <- factor(months$cause, 0:3)
late$id <- seq_len(nrow(late))
months$id <- i

exact <- data.frame(time = c(1, 2, 3, 4, 6, 8), event = c(1, 1, 1, 0, 1, 0))
lasting <- data.frame(time = c(1, 2, 3, 4), event = c(1, 1, 0, 0))
curves <- list(
  km_log_log = km("survfit(Surv(time, event) ~ sex, lung, conf.type = 'log-log')"),
  km_log = km("survfit(Surv(time, event) ~ sex, lung, conf.type = 'log')"),
  km_plain = km("survfit(Surv(time, event) ~ sex, lung, conf.type = 'plain')"),
  km_90 = km("survfit(Surv(time, event) ~ 1, lung, conf.type = 'log-log', conf.int = 0.9)"),
  km_entry = km("survfit(Surv(entry, time, event) ~ sex, late, conf.type = 'log-log')"),
  km_whole = km("survfit(Surv(time, event) ~ sex, lung, weights = whole, conf.type = 'log')"),
  km_part = km(paste("survfit(Surv(time, event) ~ sex, lung, weights = part, robust = FALSE,",
                     "conf.type = 'log-log')")),
  km_sampling = km("survfit(Surv(time, event) ~ sex, lung, weights = part, conf.type = 'log-log')"),
  km_sampling_entry = km(paste("survfit(Surv(entry, time, event) ~ sex, late, weights = part,",
                               "id = id, conf.type = 'log-log')")),
  km_months = km("survfit(Surv(time, cause > 0) ~ group, months, conf.type = 'log-log')"),
  quantile_log_log = quantiles("survfit(Surv(time, event) ~ sex, lung, conf.type = 'log-log')"),
  quantile_entry = quantiles("survfit(Surv(entry, time, event) ~ sex, late, conf.type = 'plain')"),
  quantile_exact = quantiles("survfit(Surv(time, event) ~ 1, exact, conf.type = 'plain')",
                             c(1 / 6, 1 / 3, 0.5, 0.6)),
  quantile_lasting = quantiles("survfit(Surv(time, event) ~ 1, lasting, conf.type = 'plain')"),
  rmst_365 = rmst("survfit(Surv(time, event) ~ sex, lung)", 365),
  rmst_days = rmst("survfit(Surv(time, event) ~ sex, lung)", 400.5),
  rmst_entry = rmst("survfit(Surv(entry, time, event) ~ sex, late)", 600),
  rmst_whole = rmst("survfit(Surv(time, event) ~ sex, lung, weights = whole)", 365),
  aj_log = aj("survfit(Surv(time, f) ~ sex, lung)"),
  aj_log_log = aj("survfit(Surv(time, f) ~ 1, lung, conf.type = 'log-log')"),
  aj_plain = aj("survfit(Surv(time, f) ~ sex, lung, conf.type = 'plain')"),
  aj_entry = aj("survfit(Surv(entry, time, f) ~ sex, late, id = id)"),
  aj_sampling = aj("survfit(Surv(time, f) ~ sex, lung, weights = part)"),
  aj_months = aj("survfit(Surv(time, f) ~ group, months, conf.type = 'log-log')"),
  aj_months_entry = aj("survfit(Surv(entry, time, f) ~ group, months, id = id)")
)
variance_at <- function(call, times) {
  found <- timepoints(eval(parse(text = call)), times)
  list(call = call, curve = rownames(found$est), times = times, estimate = c(t(found$est)),
       variance = c(t(found$var)))
}
curves$aalen_lung <- variance_at("cuminc(lung$time, lung$cause, lung$sex)", c(100, 300, 600, 900))
curves$aalen_months <- variance_at("cuminc(months$time, months$cause, months$group)",
                                   c(1, 5, 12, 23))
write_cases("survival_curves", curves)

# --- tests --------------------------------------------------------------------------------------
logrank <- function(call) {
  fit <- eval(parse(text = call))
  rows <- function(x) if (is.matrix(x)) rowSums(x) else x
  list(call = call, statistic = fit$chisq, df = length(fit$n) - 1, p_value = fit$pvalue,
       observed = rows(fit$obs), expected = rows(fit$exp))
}
# the score test of a Cox model with one group indicator is the log-rank test where no times are
# tied, also with left truncation, which survdiff refuses
score <- function(call) {
  fit <- eval(parse(text = call))
  list(call = call, statistic = unname(summary(fit)$sctest["test"]), df = 1)
}
gray <- function(call) {
  tests <- eval(parse(text = call))$Tests
  list(call = call, cause = rownames(tests), statistic = tests[, "stat"], df = tests[, "df"],
       p_value = tests[, "pv"])
}
order_in <- order(late$time, late$age)
untied <- late
untied$time[order_in] <- untied$time[order_in] + seq_along(order_in) / 1024
small <- data.frame(time = 1:6, cause = c(1, 1, 2, 1, 0, 1),
                    sex = c("m", "m", "f", "m", "f", "f"))
repeated <- lung[rep(seq_len(nrow(lung)), lung$whole), ]
tests <- list(
  logrank_sex = logrank("survdiff(Surv(time, event) ~ sex, lung)"),
  logrank_site = logrank("survdiff(Surv(time, event) ~ site, lung)"),
  logrank_strata = logrank("survdiff(Surv(time, event) ~ sex + strata(site), lung)"),
  logrank_months = logrank("survdiff(Surv(time, cause > 0) ~ group + strata(stratum), months)"),
  logrank_repeated = logrank("survdiff(Surv(time, event) ~ sex, repeated)"),
  logrank_small = logrank("survdiff(Surv(time, cause > 0) ~ sex, small)"),
  logrank_entry = score(paste("coxph(Surv(entry, time, event) ~ I(sex == 2), untied,",
                              "iter.max = 0)")),
  gray_small = gray("cuminc(small$time, small$cause, small$sex)"),
  gray_sex = gray("cuminc(lung$time, lung$cause, lung$sex)"),
  gray_site = gray("cuminc(lung$time, lung$cause, lung$site)"),
  gray_strata = gray("cuminc(lung$time, lung$cause, lung$sex, strata = lung$site)"),
  gray_months = gray("cuminc(months$time, months$cause, months$group)"),
  gray_months_strata = gray(paste("cuminc(months$time, months$cause, months$group,",
                                  "strata = months$stratum)"))
)
write_cases("survival_tests", tests)
