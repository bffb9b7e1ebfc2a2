# Values for tests/inference/test_influence.py and test_aov.py, by R's lme4:
#   Rscript tests/reference/influence.R <directory of the CSV files> tests/reference/influence.json
suppressMessages({library(lme4); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
read <- function(name) read.csv(file.path(args[1], name), stringsAsFactors = TRUE)
sleep <- read("sleepstudy.csv"); sleep$Subject <- factor(sleep$Subject)
sleep$w <- 1 + (seq_len(nrow(sleep)) - 1) %% 4
pen <- read("faraway_penicillin.csv")
pastes <- read("Pastes.csv")
assay <- read("Penicillin.csv")
control <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-14, maxeval = 1e6))
out <- list()
refitted <- function(fit, group, data) {
  # lme4's dfbetas() fails with one fixed effect: its divisor, the standard errors, is kept instead
  i <- influence(fit, group, data = data)
  list(level = as.character(i$deleted), dfbeta = unname(dfbeta(i)), se = unname(t(matrix(sapply(i[[6]], function(v) sqrt(diag(v))), nrow = ncol(dfbeta(i))))),
       sigma = unname(sqrt(i[[4]][, "sigma^2"])))
}
# Deletion with variance parameters fixed: generalised least squares with the n x n V.
fixed <- function(fit, drop) {
  V <- as.matrix(getME(fit, "Z") %*% getME(fit, "Lambda")); V <- tcrossprod(V)
  V <- sigma(fit)^2 * (V + diag(1 / weights(fit)))
  X <- getME(fit, "X"); y <- getME(fit, "y") - getME(fit, "offset"); beta <- fixef(fit)
  rows <- lapply(drop, function(d) {
    W <- solve(V[!d, !d]); A <- crossprod(X[!d, , drop = FALSE], W)
    C <- solve(A %*% X[!d, , drop = FALSE]); b <- drop(C %*% (A %*% y[!d]))
    list(dfbeta = unname(b - beta), se = unname(sqrt(diag(C))),
         cook = drop(t(b - beta) %*% solve(as.matrix(vcov(fit))) %*% (b - beta)) / length(beta))
  })
  list(dfbeta = t(sapply(rows, function(r) r$dfbeta)), se = t(sapply(rows, function(r) r$se)),
       cook = sapply(rows, function(r) r$cook))
}
each <- function(g) lapply(as.character(sort(unique(g))), function(l) as.character(g) == l)
models <- list(
  sleep = list(lmer(Reaction ~ Days + (Days | Subject), sleep, control = control), sleep, "Subject"),
  weighted = list(lmer(Reaction ~ Days + (1 | Subject), sleep, weights = w, control = control), sleep, "Subject"),
  penicillin = list(lmer(yield ~ treat + (1 | blend), pen, control = control), pen, "blend"),
  pastes = list(lmer(strength ~ 1 + (1 | batch / cask), pastes, control = control), pastes, "batch"),
  crossed = list(lmer(diameter ~ 1 + (1 | plate) + (1 | sample), assay, control = control), assay, "sample"))
for (name in names(models)) {
  fit <- models[[name]][[1]]; data <- models[[name]][[2]]; group <- models[[name]][[3]]
  out[[name]] <- list(hat = unname(hatvalues(fit)), cooksd = unname(cooks.distance(fit)),
    group = fixed(fit, each(data[[group]])), refit = refitted(fit, group, data))
  if (name != "crossed")
    out[[name]]$row <- fixed(fit, lapply(seq_len(nrow(data)), function(i) seq_len(nrow(data)) == i))
}
out$sleep$refit_rows <- refitted(models$sleep[[1]], ".row", within(sleep, .row <- seq_len(nrow(sleep))))
cake <- read("cake.csv"); cake <- cake[seq_len(nrow(cake)) %% 7 != 3, ]
cake$v <- 1 + cake$replicate %% 3
show <- function(fit) { s <- summary(fit)[[1]]; list(df = s$Df, sum_sq = s$"Sum Sq", mean_sq = s$"Mean Sq", f = s$"F value", p = s$"Pr(>F)") }
out$aov <- list(
  unbalanced = show(aov(angle ~ recipe * temp, cake)),
  weighted = show(aov(angle ~ factor(temp) + recipe, cake, weights = v)),
  printed = capture.output(print(summary(aov(yield ~ blend + treat, pen)))))
write_json(out, args[2], digits = NA, auto_unbox = TRUE, na = "null")
