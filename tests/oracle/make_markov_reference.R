# Makes the reference numbers for `markov` that the oracle tests hold the toolkit against.
#
#   Rscript tests/oracle/make_markov_reference.R tests/oracle/reference
#
# R's msm is only run, never copied: what is written are numbers. The data are a walk along three
# steps with an exit, made by whole-number arithmetic so that both sides have it without a file
# (ladder() in test_markov_against_msm.py).
#
# Each case holds the log-likelihood at given parameters (no optimiser in between), and the optimum:
# msm's own search, started again from its answer until that no longer moves.

suppressMessages(library(msm))
folder <- commandArgs(trailingOnly = TRUE)[1]

json <- function(x) {
  if (is.list(x)) {
    return(paste0("{", paste0('"', names(x), '": ', vapply(x, json, ""), collapse = ", "), "}"))
  }
  if (is.matrix(x)) x <- as.vector(t(x))
  out <- ifelse(is.na(x), "null", format(as.numeric(x), digits = 15, trim = TRUE))
  if (length(x) == 1) out else paste0("[", paste(out, collapse = ", "), "]")
}

# --- data -----------------------------------------------------------------------------------------
ladder <- function(persons = 160) {
  rows <- list()
  for (i in 1:persons) {
    x <- (i * 7919) %% 65536
    state <- 1 + i %% 3
    time <- 0
    for (j in 0:6) {
      if (j > 0) {
        x <- (x * 1103 + 12345) %% 65536
        time <- time + 1 + x %/% 64 %% 4
        x <- (x * 1103 + 12345) %% 65536
        draw <- x %/% 64 %% 100
        if (draw < 22) state <- min(state + 1, 3)
        else if (draw < 38) state <- max(state - 1, 1)
        else if (draw > 92) state <- 4
      }
      x <- (x * 1103 + 12345) %% 65536
      slip <- x %/% 64 %% 10
      seen <- state
      if (state < 4 && slip == 0) seen <- min(state + 1, 3)
      if (state < 4 && slip == 1) seen <- max(state - 1, 1)
      rows[[length(rows) + 1]] <- c(i, j, time, state, seen)
      if (state == 4) break
    }
  }
  d <- as.data.frame(do.call(rbind, rows))
  names(d) <- c("person", "visit", "time", "state", "seen")
  d$sex <- d$person %% 2
  d$age <- ((d$person * 37) %% 11) / 8
  d$busy <- (d$visit + d$person) %% 3 == 0
  d$day <- d$time + ((d$person * 31 + d$visit * 17) %% 10) / 16
  d$open <- ifelse((d$person + d$visit) %% 9 == 4 & d$state < 4, 99, d$state)
  d$vague <- ifelse((d$person + d$visit) %% 9 == 4 & d$seen < 4, 99, d$seen)
  d$type <- ifelse(d$state == 4, 3, ifelse((d$person * d$visit) %% 4 == 1, 2, 1))
  d
}
d <- ladder()

# --- cases ----------------------------------------------------------------------------------------
step <- rbind(c(0, .12, 0, .02), c(.07, 0, .1, .03), c(0, .09, 0, .04), c(0, 0, 0, 0))
onward <- rbind(c(0, .12, 0, .02), c(.04, 0, .1, 0), c(0, .06, 0, .04), c(0, 0, 0, 0))
circle <- rbind(c(0, .12, 0), c(.04, 0, .15), c(.2, 0, 0))
error <- rbind(c(0, .08, 0, 0), c(.07, 0, .09, 0), c(0, .06, 0, 0), c(0, 0, 0, 0))
first <- c(.5, .3, .2, 0)
moves <- sum(step > 0)
effects <- function(...) {
  terms <- list(...)
  lapply(terms, function(at) if (length(at) == 1) rep(at, moves) else at)
}
spread <- c(.1, -.2, .3, .05, -.1, .2, -.3)

two <- c(1, 2, 1, 2, 1, 2, 2)
later <- list("timeperiod[4,9)" = two, "timeperiod[9,Inf)" = two)
after <- list("timeperiod[4,9)" = c(.1, -.2)[two], "timeperiod[9,Inf)" = c(.3, .2)[two])

base <- list(formula = state ~ time, subject = d$person, data = d, qmatrix = step)
with <- function(...) {
  new <- list(...)
  out <- base
  out[names(new)] <- new
  out
}
cases <- list(
  panel = with(),
  exact_exit = with(deathexact = 4),
  exact_times = with(exacttimes = TRUE),
  scheme = with(obstype = d$type),
  days = with(formula = state ~ day, deathexact = 4),
  covariates = with(covariates = ~ sex + age, covinits = effects(sex = spread, age = rev(spread))),
  covariates_exit = with(deathexact = 4, covariates = ~ sex, covinits = effects(sex = spread)),
  changing = with(deathexact = 4, covariates = ~ busy, covinits = effects(busyTRUE = spread),
                  constraint = list(busyTRUE = c(1, 2, 1, 3, 2, 1, 3))),
  equal = with(deathexact = 4, covariates = ~ sex + age,
               constraint = list(sex = rep(1, 7), age = rep(1, 7)),
               covinits = effects(sex = .3, age = -.2)),
  breaks = with(deathexact = 4, pci = c(4, 9), constraint = later, covinits = after),
  breaks_days = with(formula = state ~ day, deathexact = 4, pci = c(4, 9), constraint = later,
                     covinits = after),
  breaks_panel = with(pci = c(4, 9), constraint = later, covinits = after),
  breaks_covariates = with(deathexact = 4, pci = 6, covariates = ~ sex,
                constraint = list(sex = rep(1, 7), "timeperiod[6,Inf)" = c(1, 2, 1, 2, 1, 2, 2)),
                covinits = list(sex = rep(.3, 7), "timeperiod[6,Inf)" = c(.1, .2, .1, .2, .1, .2, .2))),
  censored = with(formula = open ~ time, censor = 99, censor.states = c(1, 2)),
  censored_exit = with(formula = open ~ time, deathexact = 4, censor = 99,
                censor.states = c(1, 2, 3), covariates = ~ sex, covinits = effects(sex = spread)),
  hidden = with(formula = seen ~ time, ematrix = error, deathexact = 4, initprobs = first,
                qmatrix = onward),
  hidden_panel = with(formula = seen ~ time, ematrix = error, initprobs = first, qmatrix = onward),
  hidden_first = with(formula = seen ~ time, ematrix = error, deathexact = 4, initprobs = first,
                est.initprobs = TRUE, qmatrix = onward),
  hidden_covariates = with(formula = seen ~ time, ematrix = error, deathexact = 4,
                initprobs = first, covariates = ~ sex, constraint = list(sex = rep(1, 6)),
                covinits = list(sex = rep(.3, 6)), qmatrix = onward),
  hidden_breaks = with(formula = seen ~ time, ematrix = error, deathexact = 4, initprobs = first,
                pci = 6, constraint = list("timeperiod[6,Inf)" = rep(1, 6)),
                covinits = list("timeperiod[6,Inf)" = rep(.3, 6)), qmatrix = onward),
  hidden_censored = with(formula = vague ~ time, ematrix = error, deathexact = 4,
                initprobs = first, censor = 99, censor.states = c(1, 2, 3), qmatrix = onward)
)
young <- d[d$state < 4, ]
young <- young[young$person %in% names(which(table(young$person) > 1)), ]
cases$circle <- list(formula = state ~ time, subject = young$person, data = young, qmatrix = circle)

quiet <- function(args, ...) suppressWarnings(do.call(msm, c(args, list(...))))
again <- function(args) {
  args$center <- FALSE
  args$control <- list(reltol = 1e-13, maxit = 2000, fnscale = 2000)
  f <- quiet(args)
  for (turn in 1:3) {
    args$qmatrix <- f$Qmatrices$baseline
    args$qmatrix[args$qmatrix < 0] <- 0
    if (!is.null(args$ematrix)) args$ematrix <- f$Ematrices$baseline
    names <- setdiff(names(f$Qmatrices), c("baseline", "logbaseline"))
    if (length(names)) args$covinits <- lapply(f$Qmatrices[names], function(m) t(m)[t(f$qmodel$imatrix) > 0])
    if (isTRUE(args$est.initprobs)) args$initprobs <- f$hmodel$initprobs[, 1]
    g <- quiet(args)
    moved <- max(abs(g$estimates.t - f$estimates.t))
    f <- g
    if (moved < 1e-7) break
  }
  f
}

# searches of many minutes that would show nothing new
given_only <- c("breaks_days", "breaks_panel", "hidden_panel")

out <- list()
for (name in names(cases)) {
  args <- cases[[name]]
  at <- quiet(args, fixedpars = TRUE, center = FALSE)
  if (name %in% given_only) {
    out[[name]] <- list(loglik_given = -at$minus2loglik / 2)
    next
  }
  f <- again(args)
  free <- f$paramdata$optpars
  out[[name]] <- list(
    loglik_given = -at$minus2loglik / 2,
    loglik = -f$minus2loglik / 2,
    estimates = f$paramdata$opt$par,
    covariance = solve(f$paramdata$opt$hessian) * 2
  )
  message(name, ": ", format(-f$minus2loglik / 2, digits = 12), " (", length(free), ")")
  if (name == "covariates_exit") {
    mean_sex <- list(sex = 1)
    q <- qmatrix.msm(f, covariates = mean_sex)
    s <- sojourn.msm(f, covariates = mean_sex)
    n <- pnext.msm(f, covariates = mean_sex)
    out$quantities <- list(
      intensity = t(q$estimates)[t(step) > 0], intensity_se = t(q$SE)[t(step) > 0],
      intensity_low = t(q$L)[t(step) > 0], intensity_high = t(q$U)[t(step) > 0],
      sojourn = s$estimates, sojourn_se = s$SE, sojourn_low = s$L, sojourn_high = s$U,
      next_state = t(n$estimates)[t(step) > 0],
      probability = pmatrix.msm(f, t = 6, covariates = mean_sex),
      stay_1 = totlos.msm(f, start = 1, tot = 12, covariates = mean_sex),
      stay_2 = totlos.msm(f, start = 2, tot = 12, covariates = mean_sex)
    )
  }
  if (name == "breaks") {
    out$breaks_quantities <- list(
      probability = pmatrix.msm(f, t1 = 2, t = 9),
      # totlos.msm of msm 1.7 is off for intensities that change: the integral of pmatrix.msm
      stay_1 = sapply(1:4, function(to) {
        integrate(Vectorize(function(u) pmatrix.msm(f, t = u)[1, to]), 0, 4, rel.tol = 1e-10)$value +
        integrate(Vectorize(function(u) pmatrix.msm(f, t = u)[1, to]), 4, 9, rel.tol = 1e-10)$value +
        integrate(Vectorize(function(u) pmatrix.msm(f, t = u)[1, to]), 9, 12, rel.tol = 1e-10)$value
      })
    )
  }
  if (name == "hidden") {
    v <- viterbi.msm(f)
    out$hidden_paths <- list(
      # not its path: in msm 1.7 it is not the likeliest one where the first state is uncertain
      chance = v$pstate[1:60, ],
      expected = as.matrix(prevalence.msm(f, times = c(0, 3, 6))$Expected)[, 1:4]
    )
  }
  if (name == "exact_exit") {
    one <- d[d$person %% 3 == 0, ]  # all of them start on the first step
    g <- again(with(subject = one$person, data = one, deathexact = 4, qmatrix = step))
    p <- prevalence.msm(g, times = c(0, 3, 6, 9))
    out$prevalence <- list(
      observed = as.matrix(p$Observed)[, 1:4], expected = as.matrix(p$Expected)[, 1:4]
    )
  }
}

versions <- paste(R.version.string, "msm", packageVersion("msm"))
lines <- vapply(names(out), function(n) paste0('    "', n, '": ', json(out[[n]])), "")
writeLines(c("{", '  "made_by": "make_markov_reference.R",', paste0('  "versions": "', versions, '",'),
             '  "cases": {', paste(lines, collapse = ",\n"), "  }", "}"),
           file.path(folder, "markov.json"))
