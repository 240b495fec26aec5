# Makes reference/recurrent.json: events that come back, in R's survival and in mets.
#
#   Rscript tests/oracle/make_recurrent_reference.R tests/oracle/reference
#
# The data are made by whole-number arithmetic, here and in test_recurrent_against_r.py.

suppressMessages({
  library(survival)
  library(mets)
})
folder <- commandArgs(trailingOnly = TRUE)[1]

json <- function(x) {
  if (is.list(x)) {
    return(paste0("{", paste0('"', names(x), '": ', vapply(x, json, ""), collapse = ", "), "}"))
  }
  out <- trimws(format(as.numeric(x), digits = 16, trim = TRUE))
  paste0("[", paste(out, collapse = ", "), "]")
}

# --- data: 120 persons of 1 to 6 rows, some out of sight for a while, some late, some die ----------
rows <- list()
for (p in 1:120) {
  edge <- (p * 7) %% 5
  fine <- 10007 * edge + (7919 * 8 * p) %% 10007
  k <- 1 + (p * 13) %% 6
  for (j in 1:k) {
    hole <- as.integer((p + j) %% 6 == 0 && j > 1)
    long <- 1 + (p * j * 11) %% 6
    stop <- edge + hole + long
    fine_stop <- 10007 * stop + (7919 * (8 * p + j)) %% 10007
    rows[[length(rows) + 1]] <- data.frame(
      id = p, start = edge + hole, stop = stop,
      fine_start = fine + 10007 * hole, fine_stop = fine_stop,
      event = as.integer((p * 3 + j * 5 + (p * j) %% 7) %% 4 < 2),
      death = as.integer(j == k && p %% 3 == 0),
      g = 1 + p %% 3, site = p %% 2, w = 0.5 + (p %% 4) / 3, v = 0.5 + ((p + j) %% 5) / 4,
      x = (p * 17) %% 10, z = (p * j) %% 3
    )
    edge <- stop
    fine <- fine_stop
  }
}
d <- do.call(rbind, rows)
stopifnot(all(d$stop > d$start), all(d$fine_stop > d$fine_start), !anyDuplicated(d$fine_stop))
# the event a row waits for, and when the wait began
before <- ave(d$event, d$id, FUN = function(e) cumsum(e) - e)
d$since <- ave(d$start, d$id, before, FUN = function(s) s[1])
d$k <- pmin(before + 1, 3)

cases <- list()
# --- mean cumulative functions ----------------------------------------------------------------------
for (by in c("1", "g")) for (weights in c("none", "w", "v")) {
  call <- list(as.formula(paste("Surv(start, stop, event) ~", by)), data = d, id = d$id, robust = TRUE)
  if (weights != "none") call$weights <- d[[weights]]
  fit <- do.call(survfit, call)
  cases[[paste("mean", by, weights)]] <- list(
    time = fit$time, n_risk = fit$n.risk, estimate = fit$cumhaz, std_error = fit$std.chaz)
}
for (part in c("all", 1, 2, 3)) {
  some <- if (part == "all") d else d[d$g == part, ]
  events <- phreg(Surv(fine_start, fine_stop, event) ~ cluster(id), data = some)
  deaths <- phreg(Surv(fine_start, fine_stop, death) ~ cluster(id), data = some)
  fit <- recurrentMarginal(events, deaths)
  cases[[paste("death", part)]] <- list(
    time = fit$times, estimate = fit$mu, std_error = fit$se.mu)
}
# --- tests: the robust score test of a factor ---------------------------------------------------------
for (weights in c("none", "w", "v")) for (by in c("g", "site")) {
  call <- list(as.formula(paste0("Surv(start, stop, event) ~ factor(", by, ")")), data = d,
               cluster = d$id, ties = "breslow")
  if (weights != "none") call$weights <- d[[weights]]
  fit <- do.call(coxph, call)
  cases[[paste("test", by, weights)]] <- list(robust_score = summary(fit)$robscore[1:2])
}
# --- models -----------------------------------------------------------------------------------------------
exact <- coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50)
shapes <- list(
  andersen_gill = "Surv(start, stop, event) ~ x + factor(z)",
  pwp_total = "Surv(start, stop, event) ~ x + factor(z) + strata(k)",
  pwp_gap = "Surv(start - since, stop - since, event) ~ x + factor(z) + strata(k)"
)
write <- function(fit) list(estimate = coef(fit), robust_se = sqrt(diag(fit$var)),
                            std_error = sqrt(diag(fit$naive.var)), loglik = fit$loglik)
for (model in names(shapes)) for (ties in c("efron", "breslow")) {
  for (weights in c("none", "w", "v")) for (strata in c("none", "site")) {
    text <- shapes[[model]]
    if (strata == "site") text <- paste(text, "+ strata(site)")
    call <- list(as.formula(text), data = d, cluster = d$id, ties = ties, control = exact)
    if (weights != "none") call$weights <- d[[weights]]
    cases[[paste(model, ties, weights, strata)]] <- write(do.call(coxph, call))
  }
}
for (model in c("pwp_total", "pwp_gap")) {
  text <- sub("x + factor(z)", "x:factor(k) + z:factor(k)", shapes[[model]], fixed = TRUE)
  fit <- coxph(as.formula(text), data = d, cluster = d$id, control = exact)
  cases[[paste("by order", model)]] <- c(write(fit), list(vcov = fit$var))
}

lines <- vapply(names(cases), function(n) paste0('    "', n, '": ', json(cases[[n]])), "")
text <- c(
  "{", '  "made_by": "make_recurrent_reference.R",',
  paste0('  "versions": "', R.version.string, " survival ", packageVersion("survival"), " mets ",
         packageVersion("mets"), '",'),
  '  "cases": {', paste(lines, collapse = ",\n"), "  }", "}"
)
writeLines(text, file.path(folder, "recurrent.json"))
