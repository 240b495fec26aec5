# Makes reference/multi_state.json, the numbers that the multi-state models are held against.
#
#   Rscript tests/oracle/make_multi_state_reference.R tests/oracle/reference
#
# R's survival package is only run, never copied: what is written are numbers. Data: `walks`, made
# by whole-number arithmetic (make_walks in test_multi_state_against_r.py).

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

# --- data: walks between benefit (a), work (b) and elsewhere (c), which nobody leaves -------------
walk <- function(i, late) {
  state <- c("a", "b", "a", "a")[1 + i %% 4]
  start <- if (late) ((i * 271) %% 97) %% 6 else 0
  rows <- list()
  for (k in 0:5) {
    stop <- start + 1 + ((i * 7919 + k * 104729) %% 997) %% 8
    draw <- ((i * 613 + k * 389) %% 89) %% 8
    to <- if (draw < 4) c(a = "b", b = "a")[[state]] else if (draw < 6) "c" else "censored"
    rows[[k + 1]] <- data.frame(id = i, start, stop, from = state, to)
    if (to %in% c("c", "censored") || stop > 24) break
    state <- to
    start <- stop
  }
  do.call(rbind, rows)
}
make_walks <- function(n, late) {
  d <- do.call(rbind, lapply(1:n, walk, late = late))
  row <- seq_len(nrow(d)) - 1
  d$event <- factor(d$to, c("censored", "a", "b", "c"))
  d$whole <- 1 + ((d$id * 5) %% 7) %% 3
  d$part <- 0.5 + (d$id %% 4) / 3
  d$moving <- 0.5 + ((d$id + 3 * row) %% 5) / 4
  d$home <- (d$id * 11) %% 25
  d$sex <- c("f", "m")[1 + d$id %% 2]
  d$age <- ((d$id * 37) %% 101) / 25
  d$one <- 1
  d
}
repeated <- function(d) {
  d <- d[rep(seq_len(nrow(d)), d$whole), ]
  d$id <- d$id * 10 + ave(d$start, d$id, d$start, FUN = seq_along)
  d[order(d$id, d$start), ]
}
times <- c(1, 3, 6, 10, 15, 22)

at <- function(x, time, first) {
  row <- findInterval(times, time)
  rbind(first, x)[row + 1, , drop = FALSE]
}
# Standard errors from R's influences of persons: R 3.5-3 takes no clusters of persons beside an id,
# leaves the weights out of its se(rmean), and gives a person one weight at all times.
numbers <- function(f, d, horizon = 20) {
  person <- match(unique(d$id), d$id)
  u <- f$influence.pstate
  if (dim(u)[2] == length(f$time)) {
    first <- array(0, c(dim(u)[1], 1, dim(u)[3]))
    u <- array(c(rbind(t(first[, 1, ]), matrix(aperm(u, c(3, 2, 1)), ncol = dim(u)[1]))),
               c(dim(u)[3], dim(u)[2] + 1, dim(u)[1]))
    u <- aperm(u, c(3, 2, 1))
  }
  u <- u * d$w[person]
  edges <- c(min(d$start), f$time[f$time < horizon], horizon)
  width <- diff(edges)
  states <- seq_len(dim(u)[3])
  spread <- function(x) sqrt(colSums(rowsum(x, d$group[person])^2))
  columns <- findInterval(times, f$time) + 1
  area <- sapply(states, function(k) u[, seq_along(width), k] %*% width)
  list(
    p0 = f$p0, pstate = at(f$pstate, f$time, f$p0),
    std.err = sapply(states, function(k) spread(u[, columns, k])),
    cumhaz = at(f$cumhaz, f$time, 0 * f$cumhaz[1, ]),
    rmean = summary(f, rmean = horizon)$table[, "rmean"],
    se_rmean = spread(area),
    rs_std.err = at(f$std.err, f$time, if (is.null(f$sp0)) 0 * f$p0 else f$sp0)
  )
}

# --- every option against every other -------------------------------------------------------------
grid <- expand.grid(
  late = c(FALSE, TRUE), weights = c("one", "whole", "part", "moving"),
  cluster = c(FALSE, TRUE), p0 = c("estimated", "known"), sex = c("all", "f", "m"),
  stringsAsFactors = FALSE
)
fits <- list()
for (g in seq_len(nrow(grid))) {
  o <- grid[g, ]
  d <- make_walks(120, o$late)
  if (o$sex != "all") d <- d[d$sex == o$sex, ]
  if (o$weights == "whole") d <- repeated(d)
  d$w <- if (o$weights == "whole") 1 else d[[o$weights]]
  d$group <- if (o$cluster) d$home else d$id
  p0 <- if (o$p0 == "known") c(0.5, 0.3, 0.2)
  f <- survfit(
    Surv(start, stop, event) ~ 1, d, id = id, istate = from, weights = w, influence = TRUE,
    p0 = p0, timefix = FALSE
  )
  yes <- function(x) if (x) "yes" else "no"
  key <- paste(yes(o$late), o$weights, yes(o$cluster), o$p0, o$sex, sep = "|")
  fits[[key]] <- numbers(f, d)
}

# --- gaps: R wants unbroken histories, so a part of a history is an id and the person a cluster ----
d <- make_walks(120, TRUE)
drop <- (d$id + seq_len(nrow(d)) - 1) %% 3 == 1
d <- d[!drop, ]
d$part_of <- cumsum(c(TRUE, d$id[-1] != d$id[-nrow(d)] | d$start[-1] != d$stop[-nrow(d)]))
d$group <- d$id
d$id <- d$part_of
d$w <- 1
gaps <- numbers(survfit(
  Surv(start, stop, event) ~ 1, d, id = id, istate = from, influence = TRUE, timefix = FALSE
), d)

# --- what is wrong with a history -------------------------------------------------------------------
w <- make_walks(60, TRUE)
row <- seq_len(nrow(w)) - 1
w$from[row %% 7 == 3] <- "b"
late <- row %% 13 == 7 | row %% 14 == 3
w$start[late] <- w$start[late] + 0.5
w$stop[row %% 19 == 4] <- w$stop[row %% 19 == 4] + 0.75
w$event <- factor(w$to, c("censored", "a", "b", "c"))
found <- survcheck(Surv(start, stop, event) ~ 1, w, id = id, istate = from, timefix = FALSE)
flags <- as.list(found$flag)
clean <- survcheck(
  Surv(start, stop, event) ~ 1, make_walks(60, TRUE), id = id, istate = from, timefix = FALSE
)
states <- c("a", "b", "c")
checked <- list(
  flag = flags,
  moves = t(clean$transitions[states, c(states, "(censored)")]),
  visits = t(clean$events[states, ])
)

# --- Cox per move, and where it expects people -----------------------------------------------------
# A fit for each move: R 3.5-3 gives the coefficients of Breslow's ties for all moves in one call on
# these data, whatever is asked.
d <- make_walks(120, TRUE)
control <- coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 60, timefix = FALSE)
moves <- list(c("b", "a"), c("a", "b"), c("a", "c"), c("b", "c"))
cox <- list()
for (ties in c("efron", "breslow")) {
  fits_of <- lapply(moves, function(move) {
    part <- d[d$from == move[1], ]
    part$moved <- as.integer(part$to == move[2])
    coxph(Surv(start, stop, moved) ~ age + sex, part, ties = ties, cluster = id, control = control)
  })
  each <- function(what) unlist(lapply(fits_of, what))
  cox[[ties]] <- list(
    coef = each(coef), naive = each(function(m) sqrt(diag(m$naive.var))),
    robust = each(function(m) sqrt(diag(m$var))),
    loglik = rowSums(sapply(fits_of, function(m) m$loglik))
  )
}
joint <- coxph(Surv(start, stop, event) ~ age + sex, d, id = id, istate = from, ties = "breslow",
               control = control)
f <- survfit(joint, newdata = data.frame(age = c(1, 3), sex = c("f", "m")), p0 = c(0.6, 0.4, 0))
row <- findInterval(times, f$time)
cox$breslow$first <- f$pstate[row, 1, ]
cox$breslow$second <- f$pstate[row, 2, ]

result <- list(
  meta = list(r = R.version.string, survival = as.character(packageVersion("survival"))),
  cases = list(fits = fits, gaps = gaps, checked = checked, cox = cox)
)
writeLines(json(result), file.path(folder, "multi_state.json"))
