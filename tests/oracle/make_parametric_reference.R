# Makes the reference numbers in reference/parametric.json.
#
#   Rscript tests/oracle/make_parametric_reference.R tests/oracle/reference
#
# survreg where it can do the model; Poisson regression on split rows for steps; elsewhere the
# likelihood written out with R's own distribution functions and climbed by Newton's method with
# numDeriv's derivatives. R's packages are only run, never copied.

suppressMessages({
  library(survival)
  library(splines)
  library(numDeriv)
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

# --- data: as in make_reference.R, with looks every 30 days -------------------------------------
lung <- survival::lung
lung$event <- lung$status - 1
lung$entry <- (lung$age * 7) %% 60
lung$whole <- 1 + lung$age %% 3
lung$part <- 0.5 + (lung$age %% 4) / 3
lung$site <- lung$age %% 5
lung$known <- (lung$age %% 7) / 10
lung$low <- ifelse(lung$event == 1, 30 * ((lung$time - 1) %/% 30), lung$time)
lung$high <- ifelse(lung$event == 1, lung$low + 30, NA)
lung$female <- lung$sex == 2
late <- lung[lung$entry < lung$time, ]

# --- survreg ------------------------------------------------------------------------------------
control <- survreg.control(rel.tolerance = 1e-13, toler.chol = 1e-14, maxiter = 200)
outcomes <- list(exact = "Surv(time, event)",
                 between = "Surv(ifelse(low == 0, NA, low), high, type = 'interval2')")
weights <- list(none = NULL, whole = "whole", part = "part")
cases <- list()
fit_once <- function(dist, outcome, formula, w) {
  lung$w <- w
  suppressWarnings(do.call(survreg, list(as.formula(paste(outcomes[[outcome]], "~", formula)),
    data = lung, dist = dist, weights = lung$w, control = control)))
}
log_scale <- function(fit, dist) if (dist == "exponential") numeric(0) else log(fit$scale)
# survreg's own robust variance forgets the weights, and its dfbeta are wrong for events in an
# interval: they are not the derivatives of the estimates to the rows' weights. Here they are,
# by its weighted residuals where times are exact, else by refits with a row's weight moved.
influence_of <- function(fit, dist, outcome, formula, w) {
  if (outcome == "exact") return(residuals(fit, type = "dfbeta", weighted = TRUE))
  moved <- function(i, by) {
    new <- w
    new[i] <- new[i] + by
    at <- fit_once(dist, outcome, formula, new)
    c(coef(at), log_scale(at, dist))
  }
  t(vapply(seq_along(w), function(i) w[i] * (moved(i, 2e-3) - moved(i, -2e-3)) / 4e-3,
           numeric(length(coef(fit)) + (dist != "exponential"))))
}
fit_survreg <- function(dist, outcome, formula, weight, cluster) {
  w <- if (is.null(weight)) rep(1, nrow(lung)) else lung[[weight]]
  fit <- fit_once(dist, outcome, formula, w)
  used <- sqrt(diag(fit$var))
  if (cluster || identical(weight, "part")) {
    moved <- influence_of(fit, dist, outcome, formula, w)
    if (cluster) moved <- rowsum(moved, lung$site)
    used <- sqrt(colSums(moved^2))
  }
  list(formula = formula, coefficients = c(unname(coef(fit)), log_scale(fit, dist)),
       naive = sqrt(diag(fit$var)), std_error = unname(used),
       loglik_null = fit$loglik[1], loglik = fit$loglik[2])
}
for (dist in c("weibull", "exponential", "loglogistic", "lognormal")) {
  for (outcome in names(outcomes)) for (weight in names(weights)) for (cluster in c(FALSE, TRUE)) {
    name <- paste(dist, outcome, weight, if (cluster) "cluster" else "rows", sep = "_")
    cases[[name]] <- fit_survreg(dist, outcome, "age + female", weights[[weight]], cluster)
  }
  cases[[paste0(dist, "_offset")]] <-
    fit_survreg(dist, "exact", "age + female + offset(known)", NULL, FALSE)
  if (dist != "exponential") cases[[paste0(dist, "_ancillary")]] <-
    fit_survreg(dist, "exact", "age + female + strata(female)", NULL, TRUE)
}

fit <- survreg(Surv(time, event) ~ age + female, lung, dist = "weibull", control = control)
new <- data.frame(age = c(50, 70), female = c(TRUE, FALSE))
p <- c(0.1, 0.5, 0.9)
q <- predict(fit, new, type = "quantile", p = p, se.fit = TRUE)
cases$weibull_quantile <- list(estimate = c(t(q$fit)), std_error = c(t(q$se.fit)))
linear <- predict(fit, new, type = "lp")
cases$weibull_curve <- list(
  survival = c(sapply(linear, function(lp) 1 - psurvreg(c(100, 365), lp, fit$scale, "weibull"))),
  hazard = c(sapply(linear, function(lp) dsurvreg(c(100, 365), lp, fit$scale, "weibull") /
                      (1 - psurvreg(c(100, 365), lp, fit$scale, "weibull")))),
  area = sapply(linear, function(lp) integrate(function(t)
    1 - psurvreg(t, lp, fit$scale, "weibull"), 0, 365, rel.tol = 1e-13)$value))
residual <- residuals(survreg(Surv(time, event) ~ age + female, lung, weights = whole,
                              control = control), type = "dfbeta", weighted = TRUE)
cases$weibull_dfbeta <- list(first = c(t(residual[1:5, ])))

# --- steps: Poisson on split rows ---------------------------------------------------------------
cuts <- c(100, 300, 500)
fit_steps <- function(data, entry, weight) {
  data$start <- if (entry) data$entry else 0
  data$w <- if (is.null(weight)) 1 else data[[weight]]
  split <- survSplit(Surv(start, time, event) ~ age + female + w, data, cut = cuts,
                     episode = "step")
  split$step <- factor(split$step)
  fit <- glm(event ~ 0 + age + female + step + offset(log(time - start)), poisson, split,
             weights = w, control = glm.control(epsilon = 1e-15, maxit = 100))
  # glm adds a dummy for FALSE too when there is no intercept; its column is given in numbers
  list(coefficients = unname(coef(fit)), std_error = sqrt(diag(vcov(fit))))
}
lung$female <- as.numeric(lung$female)
late$female <- as.numeric(late$female)
cases$piecewise <- fit_steps(lung, FALSE, NULL)
cases$piecewise_entry <- fit_steps(late, TRUE, NULL)
cases$piecewise_entry_whole <- fit_steps(late, TRUE, "whole")

# --- likelihoods written out --------------------------------------------------------------------
newton <- function(value, start) {
  at <- optim(start, function(p) -value(p), method = "BFGS",
              control = list(maxit = 5000, reltol = 1e-14))$par
  # steps in standard errors, so that rounding and curvature weigh equally in every parameter
  size <- sqrt(diag(solve(-hessian(value, at))))
  moved <- function(u) value(at + u * size)
  steps <- list(eps = 0.1, zero.tol = 1, d = 0, r = 5)
  zero <- 0 * at
  for (step in 1:5) {
    bend <- hessian(moved, zero, method.args = steps)
    at <- at - size * solve(bend, grad(moved, zero, method.args = steps))
  }
  bend <- hessian(moved, zero, method.args = steps)
  list(coefficients = unname(at), std_error = size * sqrt(diag(solve(-bend))),
       loglik = value(at))
}
# log_h(t, rows, p) and total(t, rows, p), the cumulative hazard, of any model
loglik <- function(log_h, total, data, p, entry, between) {
  data$from <- if (entry) data$entry else 0
  late_part <- ifelse(data$from > 0, total(pmax(data$from, 1e-9), data, p), 0)
  if (between) {
    low <- ifelse(data$low > 0, total(pmax(data$low, 1e-9), data, p), 0)
    high <- total(ifelse(is.na(data$high), 1e6, data$high), data, p)
    own <- ifelse(data$event == 1, log(exp(-low) - exp(-high)), -low)
  } else {
    own <- ifelse(data$event == 1, log_h(data$time, data, p), 0) - total(data$time, data, p)
  }
  sum(own + late_part)
}
eta <- function(data, p) p[1] + p[2] * (data$age - 60) + p[3] * data$female
power_total <- list(
  weibull = function(t, d, p) -pweibull(t, exp(p[4]), exp(-eta(d, p) / exp(p[4])), FALSE, TRUE),
  log_logistic = function(t, d, p) -plogis(-(eta(d, p) + exp(p[4]) * log(t)), log.p = TRUE),
  lognormal = function(t, d, p) -pnorm(-(eta(d, p) + exp(p[4]) * log(t)), log.p = TRUE))
power_log_h <- list(
  weibull = function(t, d, p) eta(d, p) + p[4] + (exp(p[4]) - 1) * log(t),
  log_logistic = function(t, d, p) dlogis(eta(d, p) + exp(p[4]) * log(t), log = TRUE) + p[4] -
    log(t) - plogis(-(eta(d, p) + exp(p[4]) * log(t)), log.p = TRUE),
  lognormal = function(t, d, p) dnorm(eta(d, p) + exp(p[4]) * log(t), log = TRUE) + p[4] -
    log(t) - pnorm(-(eta(d, p) + exp(p[4]) * log(t)), log.p = TRUE))
starts <- list(weibull = c(-7, 0, 0, 0.1), log_logistic = c(-8, 0, 0, 0.3),
               lognormal = c(-5, 0, 0, 0))
# looks from the entry on, for late entries seen now and then
seen <- late[late$event == 0 | late$entry < late$low + 30, ]
seen$low <- ifelse(seen$event == 1, pmax(seen$low, seen$entry), seen$low)
cases$rows_seen <- list(n = nrow(seen), n_event = sum(seen$event))
for (dist in names(starts)) {
  for (between in c(FALSE, TRUE)) {
    data <- if (between) seen else late
    value <- function(p) loglik(power_log_h[[dist]], power_total[[dist]], data, p, TRUE, between)
    name <- paste(dist, "entry", if (between) "between" else "exact", sep = "_")
    cases[[name]] <- newton(value, starts[[dist]])
  }
}

# gamma heterogeneity: written out, and its log-likelihood once more by numerical integration
mixed <- function(p) exp(p[5])
gamma_total <- function(t, d, p) log1p(mixed(p) * power_total$weibull(t, d, p)) / mixed(p)
gamma_log_h <- function(t, d, p)
  power_log_h$weibull(t, d, p) - log1p(mixed(p) * power_total$weibull(t, d, p))
by_integration <- function(data, p, entry) {
  theta <- mixed(p)
  one <- function(i) {
    d <- data[i, ]
    total <- power_total$weibull(d$time, d, p)
    rate <- if (d$event == 1) exp(power_log_h$weibull(d$time, d, p)) else 1
    density <- function(v) dgamma(v, 1 / theta, 1 / theta)
    above <- integrate(function(v) (if (d$event == 1) v else 1) * rate * exp(-v * total) *
                         density(v), 0, Inf, rel.tol = 1e-12, subdivisions = 2000)$value
    if (!entry || d$entry == 0) return(log(above))
    before <- power_total$weibull(d$entry, d, p)
    log(above) - log(integrate(function(v) exp(-v * before) * density(v), 0, Inf,
                               rel.tol = 1e-12, subdivisions = 2000)$value)
  }
  sum(vapply(seq_len(nrow(data)), one, 0))
}
# durations with a heterogeneity that is there: v takes 0.2 or 1.8, by whole-number arithmetic
i <- 1:900
share <- (((i * 7919) %% 10007) + 0.5) / 10007
made <- data.frame(age = 60 + ((i * 104729) %% 11) - 5, female = ((i * 613) %% 89) %% 2)
v <- ifelse(((i * 271) %% 97) %% 2 == 0, 0.2, 1.8)
made$time <- ceiling(20 * (-log(share) / v / exp(0.1 * (made$age - 60) - 0.5 * made$female))^0.8)
made$event <- as.numeric(made$time <= 60)
made$time <- pmin(made$time, 60)
made$entry <- pmin((i * 31) %% 7, made$time - 1)
for (data in c("made", "made_entry")) {
  entry <- data == "made_entry"
  value <- function(p) loglik(gamma_log_h, gamma_total, made, p, entry, FALSE)
  found <- newton(value, c(-3, 0, 0, 0, -1))
  found$integrated <- by_integration(made, found$coefficients, entry)
  plain <- function(p) loglik(power_log_h$weibull, power_total$weibull, made, p, entry, FALSE)
  found$loglik_plain <- newton(plain, c(-3, 0, 0, 0))$loglik
  cases[[paste0("gamma_", data)]] <- found
}

# splines: another basis of the same curves (splines::ns), its slope by differences
spline_case <- function(data, entry, link, between = FALSE) {
  events <- log(data$time[data$event == 1])
  if (between) events <- log(((data$low + data$high) / 2)[data$event == 1])
  knots <- quantile(events, c(0, 1, 2, 3) / 3)
  basis <- function(x) ns(x, knots = knots[2:3], Boundary.knots = knots[c(1, 4)])
  columns <- function(t) {
    x <- log(t); h <- 1e-4
    list(value = unclass(basis(x)), slope = unclass(basis(x + h) - basis(x - h)) / (2 * h))
  }
  memory <- list()
  z_of <- function(t, d, p) {
    key <- paste(sum(t), length(t))
    if (is.null(memory[[key]])) memory[[key]] <<- columns(t)
    at <- memory[[key]]
    list(z = eta(d, p) + drop(at$value %*% p[4:6]), rise = drop(at$slope %*% p[4:6]))
  }
  total <- function(t, d, p) {
    z <- z_of(t, d, p)$z
    switch(link, hazard = exp(z), odds = -plogis(-z, log.p = TRUE), probit = -pnorm(-z, log.p = TRUE))
  }
  log_h <- function(t, d, p) {
    at <- z_of(t, d, p)
    inner <- switch(link, hazard = at$z, odds = plogis(at$z, log.p = TRUE),
                    probit = dnorm(at$z, log = TRUE) - pnorm(-at$z, log.p = TRUE))
    inner + log(at$rise) - log(t)
  }
  value <- function(p) {
    if (any(p[4:6] != p[4:6])) return(-Inf)
    suppressWarnings(found <- loglik(log_h, total, data, p, entry, between))
    if (is.finite(found)) found else -1e10
  }
  # a straight line in log time to begin with
  x <- log(sort(unique(data$time)))
  line <- coef(lm(x ~ unclass(basis(x))))
  k <- switch(link, hazard = 1.2, odds = 1.6, probit = 0.9)
  found <- newton(value, c(k * (line[1] - 5.8), 0, 0, k * line[-1]))
  times <- c(50, 300, 700)
  person <- data.frame(age = rep(60, 3), female = rep(1, 3))
  list(covariates = found$coefficients[2:3], std_error = found$std_error[2:3],
       loglik = found$loglik, knots = unname(exp(knots)),
       survival = exp(-total(times, person, found$coefficients)),
       hazard = exp(log_h(times, person, found$coefficients)))
}
for (link in c("hazard", "odds", "probit")) {
  cases[[paste0("spline_", link)]] <- spline_case(lung, FALSE, link)
  cases[[paste0("spline_", link, "_entry")]] <- spline_case(late, TRUE, link)
}

versions <- paste(R.version.string, "survival", packageVersion("survival"),
                  "numDeriv", packageVersion("numDeriv"))
lines <- vapply(names(cases), function(n) paste0('    "', n, '": ', json(cases[[n]])), "")
writeLines(c("{", '  "made_by": "make_parametric_reference.R",',
             paste0('  "versions": "', versions, '",'), '  "cases": {',
             paste(lines, collapse = ",\n"), "  }", "}"), file.path(folder, "parametric.json"))
