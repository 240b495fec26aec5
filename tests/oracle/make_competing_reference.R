# Makes reference/competing.json: Fine and Gray's model, cause-specific Cox models, years lost, and
# Gray's test by strata and by rho, as R's survival and cmprsk compute them.
#
#   Rscript tests/oracle/make_competing_reference.R tests/oracle/reference
#
# R's packages are only run, never copied: what is written are numbers, and the call that made them.
# The data are made by whole-number arithmetic, so that both sides have them without a file
# (test_competing_against_r.py).

suppressMessages({
  library(survival)
  library(cmprsk)
})
folder <- commandArgs(trailingOnly = TRUE)[1]

json <- function(x) {
  if (is.list(x)) {
    return(paste0("{", paste0('"', names(x), '": ', vapply(x, json, ""), collapse = ", "), "}"))
  }
  if (is.character(x)) out <- paste0('"', gsub('"', "'", x), '"')
  else out <- ifelse(is.na(x), "null", format(as.numeric(x), digits = 16, trim = TRUE))
  out <- trimws(out)
  if (length(x) == 1 && is.null(dim(x))) out else paste0("[", paste(out, collapse = ", "), "]")
}

# --- data ---------------------------------------------------------------------------------------
i <- 1:400
d <- data.frame(
  id = i,
  x = ((i * 613) %% 89) %% 7,
  z = (i * 31) %% 2,
  s = ((i * 17) %% 23) %% 3,
  g = ((i * 37) %% 41) %% 2,
  site = (i * 13) %% 37,
  whole = 1 + (i * 11) %% 3,
  part = 0.5 + ((i * 19) %% 7) / 4
)
d$time <- 1 + ((((i * 7919) %% 997) %% 30) * (2 + d$z + d$s)) %/% 4
d$cause <- c(1, 2, 0, 1, 0, 2, 1, 0, 3)[1 + ((i * 104729) %% 101 + d$x) %% 9]
d$entry <- pmin(d$time - 1, ((i * 271) %% 97) %% 6)
d$one <- 1

tight <- coxph.control(eps = 1e-14, toler.chol = 1e-16, iter.max = 50)

# --- Fine and Gray ------------------------------------------------------------------------------
crr_of <- function(call) {
  fit <- eval(parse(text = call))
  list(call = call, coef = unname(fit$coef), var = c(fit$var), loglik = fit$loglik,
       loglik_null = fit$loglik.null, residuals = c(fit$res),
       incidence = c(predict(fit, rbind(c(2, 1), c(5, 0)))[, -1]), time = fit$uftime)
}
X <- cbind(d$x, d$z)
models <- list(
  crr_1 = crr_of("crr(d$time, d$cause, X, failcode = 1, gtol = 1e-14, maxiter = 30)"),
  crr_2 = crr_of("crr(d$time, d$cause, X, failcode = 2, gtol = 1e-14, maxiter = 30)"),
  crr_group = crr_of(paste("crr(d$time, d$cause, X, failcode = 1, cengroup = d$g, gtol = 1e-14,",
                           "maxiter = 30)"))
)
d$f <- factor(d$cause, 0:3)
d$key <- d$id
options_of <- expand.grid(
  ties = c("efron", "breslow"), entry = c(FALSE, TRUE), by = c("", "s", "g"),
  strata = c(FALSE, TRUE), cluster = c("key", "site"), stringsAsFactors = FALSE
)
fit_long <- function(long, o) {
  model <- sprintf("coxph(Surv(fgstart, fgstop, fgstatus) ~ x + z%s, long, weights = fgwt,%s)",
                   if (o$strata) " + strata(s)" else "",
                   sprintf(" ties = '%s', cluster = %s, control = tight", o$ties, o$cluster))
  fit <- eval(parse(text = model))
  list(call = model, coef = unname(coef(fit)), var = c(fit$var), naive = c(fit$naive.var),
       loglik = fit$loglik)
}
# finegray by groups cuts rows at the event times of their own group only, so that they are at risk
# at the right times of a model stratified by the same groups, and of no other
usable <- subset(options_of, by == "" | (by == "s" & strata))
for (o in split(usable, seq_len(nrow(usable)))) {
  made <- sprintf("finegray(%s ~ x + z + site + s + g + key%s, d, etype = '1', id = id)",
                  if (o$entry) "Surv(entry, time, f)" else "Surv(time, f)",
                  if (o$by == "") "" else sprintf(" + strata(%s)", o$by))
  long <- eval(parse(text = made))
  fit <- fit_long(long, o)
  fit$call <- paste(made, fit$call)
  models[[paste("finegray", o$ties, o$entry, o$by, o$strata, o$cluster, sep = "|")]] <- fit
}

# What R has no function for, weights that count in the censoring distribution and its other
# definition: who left by another cause gets a row per later event time, weighted by the product
# over the jumps since, and coxph does the rest.
carried <- function(d, by, with_events, w, late) {
  start <- if (late) d$entry else rep(0, nrow(d))
  group <- if (by == "") rep(1, nrow(d)) else d[[by]]
  events <- sort(unique(d$time[d$cause == 1]))
  long <- list(transform(d, fgstart = start, fgstop = time, fgstatus = (cause == 1) * 1, fgwt = w))
  for (k in which(d$cause > 1)) {
    mine <- group == group[k]
    later <- events[events > d$time[k]]
    if (!length(later)) next
    weight <- sapply(later, function(t) {
      value <- 1
      for (at in seq(d$time[k], t - 1)) {
        out <- sum(w[mine & d$time == at & d$cause == 0])
        there <- start < at & (d$time > at | (d$time == at & (with_events | d$cause == 0)))
        if (out > 0) value <- value * (1 - out / sum(w[mine & there]))
        come <- sum(w[mine & late & start == at])
        if (come > 0) value <- value / (1 - come / sum(w[mine & start <= at & d$time > at]))
      }
      value
    })
    more <- d[rep(k, length(later)), ]
    more$fgstart <- c(d$time[k], later[-length(later)])
    more$fgstop <- later
    more$fgstatus <- 0
    more$fgwt <- weight * w[k]
    long[[length(long) + 1]] <- more[weight > 0, ]
  }
  do.call(rbind, long)
}
kinds <- rbind(c("part", FALSE), c("part", TRUE), c("one", TRUE))
for (k in 1:3) for (by in c("", "s", "g")) for (entry in c(FALSE, TRUE)) {
  long <- carried(d, by, kinds[k, 2] == "TRUE", d[[kinds[k, 1]]], entry)
  some <- options_of[options_of$by == by & options_of$entry == entry, ]
  for (o in split(some, seq_len(nrow(some)))) {
    name <- paste("carried", o$ties, o$entry, o$by, o$strata, o$cluster, kinds[k, 1], kinds[k, 2],
                  sep = "|")
    models[[name]] <- fit_long(long, o)
  }
}
# --- Cox models of all causes -------------------------------------------------------------------
# survfit.coxphms of survival 3.5-3 has the right hazards for Breslow's ties only; for Efron's the
# hazards are those of a survfit per cause, put together by its matrix exponential
together <- function(o, new, entry) {
  hazards <- lapply(1:3, function(k) {
    fit <- eval(parse(text = sub("f\\)", sprintf("cause == %d)", k), o)))
    at <- survfit(fit, newdata = new)
    data.frame(time = at$time, cumhaz = at$cumhaz)
  })
  time <- sort(unique(unlist(lapply(hazards, function(h) h$time))))
  steps <- sapply(hazards, function(h) {
    diff(c(0, stepfun(h$time, c(0, h$cumhaz))(time)))
  })
  total <- rowSums(steps)
  ahead <- c(1, exp(-cumsum(total))[-length(total)])
  share <- ifelse(total > 0, (1 - exp(-total)) / ifelse(total > 0, total, 1), 1)
  apply(ahead * share * steps, 2, cumsum)[findInterval(c(1, 6, 12, 20), time), ]
}
for (ties in c("efron", "breslow")) for (entry in c(FALSE, TRUE)) for (weights in c("one", "part"))
  for (strata in c(FALSE, TRUE)) for (cluster in c("key", "site")) {
    # a multi-state coxph of 3.5-3 takes Breslow's ties whenever `ties` is named
    call <- sprintf("coxph(Surv(%stime, f) ~ x + z%s, d, id = id, cluster = %s, weights = %s, %s)",
                    if (entry) "entry, " else "", if (strata) " + strata(s)" else "", cluster,
                    weights, paste0(if (ties == "breslow") "ties = 'breslow', ", "control = tight"))
    fit <- eval(parse(text = call))
    new <- data.frame(x = c(2), z = c(1), s = 1)
    separate <- sub("id = id, cluster = [a-z]+, ", "", call)
    at <- together(separate, new, entry)
    if (ties == "breslow" && !strata) {  # the multi-state curve itself
      curve <- survfit(fit, newdata = new)
      at <- curve$pstate[findInterval(c(1, 6, 12, 20), curve$time), 1, -1]
    }
    models[[paste("causes", ties, entry, weights, strata, cluster, sep = "|")]] <-
      list(call = call, coef = unname(coef(fit)), var = c(fit$var), naive = c(fit$naive.var),
           loglik = fit$loglik, incidence = c(at))
  }

# --- tests of equal incidence and equal hazards -------------------------------------------------
tests <- list()
for (rho in c(0, 0.5, 1)) {
  call <- sprintf("cuminc(d$time, d$cause, d$s, rho = %s)", rho)
  tests[[paste0("gray|", rho)]] <- c(eval(parse(text = call))$Tests[, "stat"])
  call <- sprintf("cuminc(d$time, d$cause, d$s, strata = d$g, rho = %s)", rho)
  tests[[paste0("gray_strata|", rho)]] <- c(eval(parse(text = call))$Tests[, "stat"])
  twice <- d[rep(seq_len(nrow(d)), d$whole), ]
  call <- sprintf("cuminc(twice$time, twice$cause, twice$s, strata = twice$g, rho = %s)", rho)
  tests[[paste0("gray_whole|", rho)]] <- c(eval(parse(text = call))$Tests[, "stat"])
  tests[[paste0("logrank|", rho)]] <- survdiff(Surv(time, cause > 0) ~ s, d, rho = rho)$chisq
  fit <- survdiff(Surv(time, cause > 0) ~ s + strata(g), d, rho = rho)
  tests[[paste0("logrank_strata|", rho)]] <- c(fit$chisq, rowSums(fit$obs), rowSums(fit$exp))
}

# --- time lost to each cause ---------------------------------------------------------------------
# the area under survfit's influences; its own se(rmean) pairs them with the wrong times where the
# first time is not that of a censoring (it warns that lengths differ)
lost <- function(call, horizon, weight = rep(1, nrow(d)), cluster = d$id) {
  fit <- eval(parse(text = call))
  parts <- if (is.list(fit$influence.pstate)) fit$influence.pstate else list(fit$influence.pstate)
  n_state <- length(fit$states)
  ends <- if (is.null(fit$strata)) length(fit$time) else cumsum(fit$strata)
  rows <- Map(seq, c(0, ends[-length(ends)]) + 1, ends)
  made <- lapply(seq_along(parts), function(k) {
    time <- fit$time[rows[[k]]]
    before <- time < horizon
    width <- diff(c(time[before], horizon))
    u <- parts[[k]][, seq(dim(parts[[k]])[2] - length(time) + 1, dim(parts[[k]])[2]), ]
    who <- if (length(parts) == 1) d$id else as.integer(dimnames(u)[[1]])
    sapply(2:n_state, function(s) {
      area <- matrix(u[, before, s], nrow = dim(u)[1]) %*% width
      c(sum(fit$pstate[rows[[k]], s][before] * width), sqrt(sum(rowsum(weight[who] * area, cluster[who])^2)))
    })
  })
  list(call = paste0(call, ", up to ", horizon), rmean = unlist(lapply(made, function(m) m[1, ])),
       std_error = unlist(lapply(made, function(m) m[2, ])))
}
models$lost_group <- lost("survfit(Surv(time, f) ~ s, d, id = id, influence = TRUE)", 20)
models$lost_between <- lost("survfit(Surv(time, f) ~ s, d, id = id, influence = TRUE)", 17.5)
models$lost_entry <- lost("survfit(Surv(entry, time, f) ~ s, d, id = id, influence = TRUE)", 20)
models$lost_sampling <- lost(paste("survfit(Surv(entry, time, f) ~ s, d, id = id, weights = part,",
                                   "influence = TRUE)"), 20, d$part)
models$lost_cluster <- lost("survfit(Surv(time, f) ~ 1, d, id = id, influence = TRUE)", 20,
                            cluster = d$site)
models <- c(models, lapply(tests, function(x) list(statistic = unname(x))))

lines <- vapply(names(models), function(n) paste0('    "', n, '": ', json(models[[n]])), "")
versions <- paste(R.version.string, "survival", packageVersion("survival"), "cmprsk",
                  packageVersion("cmprsk"))
writeLines(c("{", '  "made_by": "make_competing_reference.R",',
             paste0('  "versions": "', versions, '",'), '  "cases": {',
             paste(lines, collapse = ",\n"), "  }", "}"), file.path(folder, "competing.json"))
