# Writes more_models.json, for what the other files lack: weights, offsets, missing rows, transforms,
# several terms on a factor, rank deficiency. Rscript more_models.R DATA, where DATA holds the csv
# files. Optimisers run to tight tolerances, so that theta is good to some seven digits.
suppressMessages({library(lme4); library(lmerTest); library(jsonlite)})
args <- commandArgs(TRUE)
read <- function(name, factors = NULL) {
  d <- read.csv(file.path(args[1], name), stringsAsFactors = TRUE)
  for (f in factors) d[[f]] <- factor(d[[f]])
  d
}
sleep <- read("sleepstudy.csv", "Subject")
sleep$w <- 1 + sleep$Days %% 3
sleep$o <- 5 * sleep$Days - 0.25 * sleep$Days^2
holes <- sleep
holes$Reaction[c(2, 17, 90)] <- NA
holes$Days[c(5, 17, 121)] <- NA
cake <- read("cake.csv", c("replicate", "temperature"))
pastes <- read("Pastes.csv"); irrigation <- read("irrigation.csv"); assay <- read("Penicillin.csv")
dragons <- read("dragons.csv")
control <- lmerControl(optimizer = "nloptwrap", check.conv.singular = "ignore", calc.derivs = FALSE,
                       optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, ftol_abs = 1e-14,
                                      maxeval = 100000))
first <- function(x) unname(head(x, 20))
fit <- function(data, formula, ...) {
  run <- function(...) suppressMessages(suppressWarnings(do.call(lmer, list(formula, data, control = control, ...))))
  m <- run(...)
  # A second start from the first end, since BOBYQA's own trust region shrinks too soon.
  m <- run(start = getME(m, "theta"), ...)
  table <- coef(summary(m))
  effects <- as.data.frame(ranef(m, condVar = TRUE))
  list(formula = paste(deparse(formula, width.cutoff = 200), collapse = " "), reml = isREML(m), n = nobs(m),
       criterion = if (isREML(m)) REMLcrit(m) else deviance(m), logLik = c(logLik(m)), AIC = AIC(m), BIC = BIC(m),
       ml_deviance = deviance(m, REML = FALSE), npar = attr(logLik(m), "df"), sigma = sigma(m),
       theta = unname(getME(m, "theta")), term = rownames(table), estimate = unname(table[, "Estimate"]),
       std_error = unname(table[, "Std. Error"]), df = unname(table[, "df"]), t = unname(table[, "t value"]),
       p = unname(table[, "Pr(>|t|)"]), vcov = unname(as.matrix(vcov(m))),
       grp = as.character(effects$grpvar), level = as.character(effects$grp), effect = as.character(effects$term),
       condval = effects$condval, condsd = effects$condsd, fitted = first(fitted(m)),
       pearson = first(residuals(m, "pearson", scaled = FALSE)), scaled = first(residuals(m, "pearson", scaled = TRUE)),
       hat = first(hatvalues(m)), population = first(predict(m, re.form = NA)), hat_sum = sum(hatvalues(m)))
}
models <- list(
  weights = fit(sleep, Reaction ~ Days + (Days | Subject), weights = sleep$w),
  weights_ml = fit(sleep, Reaction ~ Days + (1 | Subject), weights = sleep$w, REML = FALSE),
  offset = fit(sleep, Reaction ~ Days + offset(o) + (Days | Subject)),
  weights_offset = fit(sleep, Reaction ~ Days + offset(o) + (1 | Subject), weights = sleep$w),
  missing = fit(holes, Reaction ~ Days + (Days | Subject)),
  log_response = fit(sleep, log(Reaction) ~ Days + (Days | Subject)),
  poly = fit(sleep, Reaction ~ poly(Days, 2) + (1 | Subject)),
  no_intercept = fit(sleep, Reaction ~ 0 + Days + (Days | Subject)),
  two_terms = fit(sleep, Reaction ~ Days + I(Days^2) + (1 | Subject) + (0 + Days | Subject)),
  deficient = fit(sleep, Reaction ~ Days + I(2 * Days + 1) + (1 | Subject)),
  slope_in_cake = fit(cake, angle ~ recipe + temp + (1 | recipe:replicate)),
  crossed_weights = fit(assay, diameter ~ 1 + (1 | plate) + (1 | sample), weights = 1 + as.integer(assay$plate) %% 4),
  nested_ml = fit(pastes, strength ~ 1 + (1 | batch / cask), REML = FALSE),
  irrigation_ml = fit(irrigation, yield ~ irrigation + variety + (1 | field), REML = FALSE),
  dragons_double_bar = fit(dragons, intelligence ~ wingspan * scales + (wingspan || mountain)))
made <- paste0(R.version.string, "; lme4 ", packageVersion("lme4"), ", lmerTest ", packageVersion("lmerTest"))
write(toJSON(c(list(made = made), models), auto_unbox = TRUE, digits = I(15), null = "null"), "more_models.json")
