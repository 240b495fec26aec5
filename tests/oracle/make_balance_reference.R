# Makes reference/balance.json: means, variances, KS and overlap of weighted groups, by base R.
#
#   Rscript tests/oracle/make_balance_reference.R tests/oracle/reference
#
# R is only run, never copied: what is written are numbers. `people` is made by whole-number
# arithmetic, so that the tests make the same frame. Overlap integrates the smaller of two density()
# estimates with one bandwidth, bw.nrd's formula on the weighted smaller group.

folder <- commandArgs(trailingOnly = TRUE)[1]

json <- function(x) {
  if (is.list(x)) {
    return(paste0("{", paste0('"', names(x), '": ', vapply(x, json, ""), collapse = ", "), "}"))
  }
  out <- trimws(ifelse(is.na(x), "null", format(as.numeric(x), digits = 15, trim = TRUE)))
  if (length(x) == 1) out else paste0("[", paste(out, collapse = ", "), "]")
}

i <- 0:399
people <- data.frame(treated = as.integer((i * 37) %% 100 < 30))
people$wage <- ((i * 7919) %% 1009) / 10 + people$treated * 9
people$months <- (i * 31) %% 13 + people$treated * 2
people$woman <- as.integer((i * 17) %% 10 < 4 + people$treated)
people$sampled <- 1 + (i * 13) %% 3
people$made <- ifelse(people$treated == 1, 1, ((i * 29) %% 8) / 4)

ks <- function(x, t, w) {
  at <- sort(unique(x))
  f <- sapply(0:1, function(g) sapply(at, function(a)
    sum(w[t == g & x <= a]) / sum(w[t == g])))
  max(abs(f[, 1] - f[, 2]))
}
quantile_of <- function(x, w, level) {
  o <- order(x)
  x[o][which(cumsum(w[o]) / sum(w) >= level - 1e-12)[1]]
}
overlap <- function(x, t, w, width) {
  if (length(unique(x)) <= 20) {
    shares <- sapply(0:1, function(g) sapply(sort(unique(x)), function(a)
      sum(w[t == g & x == a]) / sum(w[t == g])))
    return(sum(pmin(shares[, 1], shares[, 2])))
  }
  from <- min(x) - 3 * width
  to <- max(x) + 3 * width
  f <- lapply(0:1, function(g) density(x[t == g], weights = w[t == g] / sum(w[t == g]),
                                       bw = width, from = from, to = to, n = 2^13))
  sum(pmin(f[[1]]$y, f[[2]]$y)) * diff(f[[1]]$x[1:2])
}

cases <- list()
for (sampling in c("one", "sampled")) {
  before <- if (sampling == "one") rep(1, 400) else people$sampled
  after <- before * people$made
  for (name in c("wage", "months", "woman")) {
    x <- people[[name]]
    t <- people$treated
    part <- t == 1  # the smaller group
    spread <- sqrt(cov.wt(cbind(x[part]), before[part] / sum(before[part]))$cov[1])
    iqr <- quantile_of(x[part], before[part], 0.75) - quantile_of(x[part], before[part], 0.25)
    width <- 1.06 * min(spread, iqr / 1.34) * sum(part)^-0.2
    for (sample in c("before", "after")) {
      w <- if (sample == "before") before else after
      moments <- lapply(1:0, function(g) {
        some <- t == g & w > 0
        cov.wt(cbind(x[some]), w[some] / sum(w[some]))
      })
      both <- before / sum(before)
      cases[[paste(sampling, name, sample, sep = "|")]] <- list(
        mean = sapply(moments, function(m) m$center[[1]]),
        variance = sapply(moments, function(m) m$cov[1]),
        all = cov.wt(cbind(x), both)$cov[1],
        ks = ks(x, t, w),
        overlap = overlap(x, t, w, width)
      )
    }
  }
}
writeLines(paste0('{"made_by": "', R.version.string, '", "cases": ', json(cases), "}"),
           file.path(folder, "balance.json"))
