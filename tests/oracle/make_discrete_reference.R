# Makes reference/discrete.json: discrete-time models on written-out person-months.
#
#   Rscript tests/oracle/make_discrete_reference.R tests/oracle/reference
#
# Hazards by glm, with the robust variance from its formula; competing exits by nnet's multinom,
# polished by Newton's method; random intercepts by lme4's glmer; gamma frailty from its formula,
# maximised numerically. R's packages are only run, never copied. The data are made by whole-number
# arithmetic, so that both sides have them without a file.

suppressMessages({
  library(nnet)
  library(lme4)
  library(splines)
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
i <- 1:500
spells <- data.frame(
  months = 1 + ((i * 7919) %% 997) %% 14,
  exit = ((i * 104729) %% 101) %% 3,
  x = i %% 3,
  y = ((i * 271) %% 97) / 97,
  g = c("a", "b")[1 + ((i * 613) %% 89) %% 2],
  site = (i * 31) %% 11,
  whole = 1 + ((i * 37) %% 5) %% 3,
  part = 0.5 + (i %% 4) / 3,
  known = ((i * 17) %% 10) / 20
)
spells$start <- pmin(spells$months - 1, ((i * 277) %% 83) %% 4)
spells$left <- as.integer(spells$exit > 0)

written_out <- function(d, entry = FALSE) {
  from <- if (entry) d$start else 0 * d$months
  long <- d[rep(seq_len(nrow(d)), d$months - from), ]
  long$row <- rep(seq_len(nrow(d)), d$months - from)
  long$m <- sequence(d$months - from, from = from + 1)
  long$last <- long$m == long$months
  long$out <- as.integer(long$last & long$left == 1)
  long$went <- ifelse(long$last, long$exit, 0)
  long
}

# --- hazards ------------------------------------------------------------------------------------
hazard <- function(link, baseline, entry = FALSE, weight = NULL, strata = FALSE, cluster = NULL,
                   offset = FALSE, terms = "x + y + g", at = NULL) {
  long <- written_out(spells, entry)
  long$w <- if (is.null(weight)) 1 else long[[weight]]
  long$o <- if (offset) long$known else 0
  where <- if (strata) paste(long$g, long$m) else long$m
  if (baseline == "dummies") {  # months without an event, or with nothing else, settle themselves
    rate <- ave(long$out, where)
    long <- long[rate > 0 & rate < 1, ]
  }
  part <- c(
    dummies = "factor(m)",
    piecewise = "cut(m, c(0, 3, 8, 99))",
    spline = "ns(m, knots = c(4, 9), Boundary.knots = c(1, 14))"
  )[[baseline]]
  if (strata) part <- paste0("g:", part, " + g")
  right <- if (strata) gsub(" \\+ g", "", terms) else terms
  f <- as.formula(paste("out ~ 0 +", part, "+", right))
  if (baseline == "spline") f <- as.formula(paste("out ~", part, "+", right))
  fit <- suppressWarnings(glm(f, binomial(link), long, weights = w, offset = o,
                              control = glm.control(epsilon = 1e-15, maxit = 100)))
  b <- coef(fit)
  keep <- names(b)[!is.na(b)]
  b <- b[keep]
  X <- model.matrix(fit)[, keep]
  eta <- c(X %*% b) + long$o
  h <- binomial(link)$linkinv(eta)
  slope <- binomial(link)$mu.eta(eta)
  V <- solve(crossprod(X, X * (long$w * slope^2 / (h * (1 - h)))))
  dimnames(V) <- list(keep, keep)
  score <- X * (long$w * (long$out - h) * slope / (h * (1 - h)))
  unit <- if (is.null(cluster)) long$row else long[[cluster]]
  # frequency weights: a row is w units, each with the score of one
  by <- if (is.null(cluster) && identical(weight, "whole")) long$w else 1
  sums <- rowsum(score / sqrt(by), unit)
  R <- V %*% crossprod(sums) %*% V
  own <- grep(if (strata) "^[xy]$" else "^(x|y|gb|x:log\\(m\\))$", keep)
  out <- list(
    coefficients = b[own], vcov = V[own, own], robust = R[own, own],
    loglik = sum(long$w * (long$out * log(h) + (1 - long$out) * log(1 - h))),
    parameters = length(b), person_months = sum(long$w)
  )
  if (!is.null(at)) {
    # the survival curve of one newcomer, by the delta method
    new <- long[rep(1, max(long$m)), ]
    new$m <- seq_len(max(long$m))
    new$x <- 2; new$y <- 0.5; new$g <- "b"; new$o <- 0; new$w <- 1
    X0 <- model.matrix(delete.response(terms(fit)), new, xlev = fit$xlevels)[, keep]
    e0 <- c(X0 %*% b)
    h0 <- binomial(link)$linkinv(e0)
    S <- cumprod(1 - h0)
    push <- X0 * (binomial(link)$mu.eta(e0) / (1 - h0))
    G <- -S * apply(push, 2, cumsum)
    out$survival <- S[at]
    out$survival_se <- sqrt(diag(G %*% V %*% t(G)))[at]
    out$survival_robust <- sqrt(diag(G %*% R %*% t(G)))[at]
    out$hazard_se <- sqrt(diag(X0 %*% V %*% t(X0)))[at] * binomial(link)$mu.eta(e0)[at]
    out$hazard <- h0[at]
  }
  out
}

cases <- list()
for (link in c("cloglog", "logit")) for (baseline in c("dummies", "piecewise", "spline"))
  for (entry in c(FALSE, TRUE)) for (weight in c("none", "whole", "part"))
    for (strata in c(FALSE, TRUE)) for (cluster in c("none", "site")) {
      name <- paste(link, baseline, if (entry) "entry" else "whole_spell", weight,
                    if (strata) "strata" else "one", cluster, sep = "/")
      cases[[name]] <- hazard(link, baseline, entry, if (weight != "none") weight, strata,
                              if (cluster != "none") cluster)
    }
for (link in c("cloglog", "logit")) {
  cases[[paste0("offset/", link)]] <- hazard(link, "dummies", offset = TRUE)
  cases[[paste0("duration/", link)]] <-
    hazard(link, "dummies", entry = TRUE, cluster = "site", terms = "x + y + g + x:log(m)")
  for (baseline in c("dummies", "spline"))
    cases[[paste0("curve/", link, "/", baseline)]] <-
      hazard(link, baseline, entry = TRUE, at = c(1, 5, 12))
}

# --- competing exits --------------------------------------------------------------------------
competing <- function(baseline, entry, at = c(2, 9)) {
  long <- written_out(spells, entry)
  rate <- ave(long$out, long$m)
  long <- long[rate > 0 & rate < 1, ]
  part <- if (baseline == "dummies") "factor(m)" else "cut(m, c(0, 3, 8, 99))"
  f <- as.formula(paste("factor(went) ~ 0 +", part, "+ x + y"))
  fit <- multinom(f, long, maxit = 2000, reltol = 1e-15, abstol = 1e-15, trace = FALSE)
  X <- model.matrix(f, long)
  p <- ncol(X)
  Y <- cbind(long$went == 1, long$went == 2)
  B <- t(coef(fit))
  for (step in 1:6) {
    E <- exp(X %*% B)
    H <- E / (1 + rowSums(E))
    I <- matrix(0, 2 * p, 2 * p)
    for (k in 1:2) for (l in 1:2) {
      w <- H[, k] * ((k == l) - H[, l])
      I[(k - 1) * p + 1:p, (l - 1) * p + 1:p] <- crossprod(X, X * w)
    }
    V <- solve(I)
    B <- B + matrix(V %*% c(crossprod(X, Y - H)), p)
  }
  scores <- cbind(X * (Y - H)[, 1], X * (Y - H)[, 2])
  R <- V %*% crossprod(rowsum(scores, long$site)) %*% V
  own <- c(p - 1, p, 2 * p - 1, 2 * p)
  new <- long[rep(1, max(long$m)), ]
  new$m <- seq_len(max(long$m)); new$x <- 2; new$y <- 0.5
  new$went <- rep_len(0:2, nrow(new))
  X0 <- model.matrix(f, new, xlev = fit$xlevels)
  incidence <- function(B) {
    E <- exp(X0 %*% B)
    H <- E / (1 + rowSums(E))
    S <- cumprod(1 - rowSums(H))
    c(apply(c(1, S[-length(S)]) * H, 2, cumsum)[at, ])
  }
  J <- sapply(seq_len(2 * p), function(j) {
    d <- 0 * B
    d[j] <- 1e-5
    (8 * (incidence(B + d) - incidence(B - d)) - (incidence(B + 2 * d) - incidence(B - 2 * d))) /
      (12 * 1e-5)
  })
  list(multinom = c(t(coef(fit))[c(p - 1, p), ]), multinom_loglik = c(logLik(fit)),
       coefficients = c(B)[own], vcov = V[own, own], robust = R[own, own],
       loglik = sum(ifelse(long$went == 0, log(1 - rowSums(H)),
                           log(H[cbind(seq_along(long$went), pmax(long$went, 1))]))),
       incidence = incidence(B), incidence_se = sqrt(diag(J %*% V %*% t(J))),
       incidence_robust = sqrt(diag(J %*% R %*% t(J))))
}
for (baseline in c("dummies", "piecewise")) for (entry in c(FALSE, TRUE))
  cases[[paste0("competing/", baseline, "/", if (entry) "entry" else "whole_spell")]] <-
    competing(baseline, entry)

# --- heterogeneity ------------------------------------------------------------------------------
# several spells a person, whose hazards differ for good: uneven persons by arithmetic
j <- 1:600
repeated <- data.frame(person = (j - 1) %/% 4, x = ((j - 1) %/% 4) %% 2, y = ((j * 271) %% 97) / 97)
fast <- ((repeated$person * 7) %% 5) / 4
draw <- (((j * 7919) %% 997) + 0.5) / 997
repeated$months <- pmin(ceiling(-log(draw) / exp(-3 + 2.5 * fast + 0.5 * repeated$x)), 10)
repeated$start <- pmin(repeated$months - 1, ((j * 277) %% 83) %% 3)
repeated$left <- as.integer(repeated$months < 10 | (j * 13) %% 4 == 0)

mixed <- function(link) {
  long <- repeated[rep(seq_len(nrow(repeated)), repeated$months), ]
  long$m <- sequence(repeated$months)
  long$out <- as.integer(long$m == long$months & long$left == 1)
  fit <- glmer(out ~ 0 + cut(m, c(0, 2, 5, 10)) + x + y + (1 | person), long, binomial(link),
               nAGQ = 25, control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13,
               optCtrl = list(rhobeg = 0.02, rhoend = 1e-9, maxfun = 1e5)))
  # glmer's log-likelihood at its optimum, integrated person by person
  X <- model.matrix(fit)
  eta <- c(X %*% fixef(fit))
  s <- sqrt(c(VarCorr(fit)$person))
  inv <- binomial(link)$linkinv
  by_hand <- sum(sapply(split(seq_len(nrow(long)), long$person), function(at) {
    f <- function(z) sapply(z, function(one) {
      h <- inv(eta[at] + s * one)
      exp(sum(ifelse(long$out[at] == 1, log(h), log1p(-h)))) * dnorm(one)
    })
    log(integrate(f, -9, 9, rel.tol = 1e-12, subdivisions = 2000L)$value)
  }))
  own <- c("x", "y")
  V <- as.matrix(vcov(fit))
  list(coefficients = fixef(fit)[own], std_error = sqrt(diag(V))[own], variance = s^2,
       loglik = by_hand)
}
for (link in c("cloglog", "logit")) cases[[paste0("normal/", link)]] <- mixed(link)

gamma_frailty <- function(entry, truncated) {
  d <- repeated  # every row a unit
  from <- if (entry) d$start else 0 * d$months
  X <- cbind(d$x, d$y)
  pieces <- outer(1:10, 1:3, function(m, k) as.numeric(findInterval(m, c(1, 3, 6)) == k))
  total <- function(theta) {
    v <- exp(theta[6])
    mu <- exp(outer(c(X %*% theta[4:5]), c(pieces %*% theta[1:3]), "+"))
    B <- cbind(0, t(apply(mu, 1, cumsum)))
    at <- function(m) B[cbind(seq_along(m), m + 1)]
    phi <- function(a) -log1p(v * a) / v
    zero <- if (truncated) 0 else at(from)
    value <- ifelse(d$left == 1,
                    log(exp(phi(at(d$months - 1) - zero)) - exp(phi(at(d$months) - zero))),
                    phi(at(d$months) - zero))
    sum(value) - if (truncated) sum(phi(at(from))) else 0
  }
  gradient <- function(f, t, e = 1e-3) sapply(seq_along(t), function(j) {
    d <- 0 * t
    d[j] <- e
    (45 * (f(t + d) - f(t - d)) - 9 * (f(t + 2 * d) - f(t - 2 * d)) + f(t + 3 * d) - f(t - 3 * d)) /
      (60 * e)
  })
  t <- optim(c(-2, -2, -2, 0, 0, -1), function(t) -total(t), method = "BFGS",
             control = list(reltol = 1e-14, maxit = 1000))$par
  for (step in 1:6) {
    H <- gradient(function(t) gradient(total, t), t)
    t <- t - c(solve(H, gradient(total, t)))
  }
  list(coefficients = t[4:5], std_error = sqrt(diag(solve(-H)))[4:5], variance = exp(t[6]),
       variance_se = sqrt(diag(solve(-H)))[6] * exp(t[6]), loglik = total(t))
}
cases[["gamma/whole_spell"]] <- gamma_frailty(FALSE, FALSE)
cases[["gamma/entry"]] <- gamma_frailty(TRUE, FALSE)
cases[["gamma/start"]] <- gamma_frailty(TRUE, TRUE)

versions <- paste(R.version.string, "nnet", packageVersion("nnet"), "lme4", packageVersion("lme4"))
lines <- vapply(names(cases), function(n) paste0('    "', n, '": ', json(cases[[n]])), "")
writeLines(c("{", '  "made_by": "make_discrete_reference.R",',
             paste0('  "versions": "', versions, '",'), '  "cases": {',
             paste(lines, collapse = ",\n"), "  }", "}"), file.path(folder, "discrete.json"))
