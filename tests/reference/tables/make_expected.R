# Writes the expected values of these tests: Rscript make_expected.R DATA REFERENCE, where DATA
# holds the csv files and REFERENCE the json files of the R fits. Made with R 4.2.2, lme4 1.1-31,
# lmerTest 3.1-3. The tests read the files only; R is not needed to run them.
suppressMessages({library(lme4); library(lmerTest); library(jsonlite)})
args <- commandArgs(TRUE)
read <- function(name, factors = NULL) {
  d <- read.csv(file.path(args[1], name), stringsAsFactors = TRUE)
  for (f in factors) d[[f]] <- factor(d[[f]])
  d
}
sleepstudy <- read("sleepstudy.csv", "Subject")
irrigation <- read("irrigation.csv"); cake <- read("cake.csv", c("replicate", "temperature"))
Penicillin <- read("Penicillin.csv"); Dyestuff2 <- read("Dyestuff2.csv"); dragons <- read("dragons.csv")
Pastes <- read("Pastes.csv"); penicillin <- read("faraway_penicillin.csv"); solutions <- read("solutions.csv")
InstEval <- read("InstEval.csv.gz", c("s", "d", "dept", "service"))
fits <- list(
  sleep_slope = lmer(Reaction ~ Days + (Days | Subject), sleepstudy),
  sleep_slope_ml = lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE),
  sleep_slope_only = lmer(Reaction ~ Days + (0 + Days | Subject), sleepstudy),
  sleep_zerocorr = lmer(Reaction ~ Days + (Days || Subject), sleepstudy),
  irrigation = lmer(yield ~ irrigation * variety + (1 | field), irrigation),
  cake = lmer(angle ~ recipe * temperature + (1 | recipe:replicate), cake),
  penicillin_crossed = lmer(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin),
  penicillin_faraway_ml = lmer(yield ~ treat + (1 | blend), penicillin, REML = FALSE),
  dyestuff2_singular = lmer(Yield ~ 1 + (1 | Batch), Dyestuff2),
  dragons = lmer(intelligence ~ wingspan * scales + (1 + wingspan | mountain), dragons),
  dragons_singular = lmer(intelligence ~ wingspan * scales + (1 + wingspan * scales | mountain), dragons),
  pastes_nested = lmer(strength ~ 1 + (1 | batch/cask), Pastes),
  solutions = lmer(dissolve ~ 1 + (1 | solvent) + (1 | solute), solutions),
  insteval = lmer(y ~ service + (1 | s) + (1 | d) + (1 | dept), InstEval))
made <- "# Printed by R 4.2.2, lmerTest 3.1-3, lme4 1.1-31; see make_expected.R"
keep <- c("name", "formula", "reml", "n", "ngroups", "criterion", "logLik", "df", "AIC", "BIC", "varcorr",
          "vcov", "coef_satterthwaite", "coef_kr", "scaled_residual_quantiles")
for (name in names(fits)) {
  short <- function(...) sub(" +$", "", capture.output(print(summary(fits[[name]], ...))))
  writeLines(c(made, short()), paste0("summary_", name, ".txt"))
  reference <- fromJSON(file.path(args[2], paste0(name, ".json")), simplifyVector = FALSE)
  write(toJSON(c(list(made = "Subset of the reference of this name: lme4 1.1-31, lmerTest 3.1-3"),
                 reference[intersect(keep, names(reference))]),
               auto_unbox = TRUE, digits = NA, null = "null"), paste0("fit_", name, ".json"))
}
for (name in c("sleep_slope", "irrigation"))
  writeLines(c(made, sub(" +$", "", capture.output(print(summary(fits[[name]], ddf = "Kenward-Roger"))))),
             paste0("summary_", name, "_kr.txt"))
writeLines(c(made, sub(" +$", "", capture.output(print(summary(fits$sleep_slope, ddf = "lme4"))))),
           "summary_sleep_slope_lme4.txt")

# Numbers as text. Values go as strings of 17 digits, so that both sides read the same doubles.
exact <- function(x) I(sprintf("%.17g", x))
columns <- list(
  list(3.14159, 4), list(c(1, 2, 3), 4), list(c(1.5, 2.25, 3), 7), list(c(612.100158, 35.0717, 654.941), 4),
  list(c(24.74066, 5.922138, 25.5918), 4), list(c(0, 13.80631), 4), list(0, 4), list(-0.0, 4), list(1e5, 7),
  list(123456, 7), list(100000, 3), list(1e15, 7), list(1e16, 7), list(123456789012, 4), list(1e-5, 4),
  list(0.0001, 4), list(0.00012345, 4), list(c(1e-10, 1), 4), list(c(1e-10, 1e10), 4), list(1e-300, 4),
  list(1.7976931348623157e308, 7), list(c(1e100, 1e-100), 3), list(NA, 4), list(c(NA, 1.25), 4),
  list(c(NA, NA), 4), list(c(Inf, 1), 4), list(c(-Inf, 2.5, NA), 4), list(99999.97, 5), list(9996, 3),
  list(0.99996, 4), list(c(0.1, 0.12, 0.123), 7), list(c(0.1, 0.12, 0.123), 2), list(1/3, 7), list(2/3, 1),
  list(c(-1, 1), 4), list(c(-0.5, 100.25), 4), list(1234.5678, 4), list(1234.5678, 6), list(0.5, 1),
  list(2.5, 1), list(0.15, 1), list(1743.6, 7), list(237733.8, 7), list(1234567.8, 7), list(4.9e-324, 4),
  list(c(1e-4, 1e4), 4), list(c(1e-6, 1e4), 4), list(5e-17, 4), list(c(38.5, 3.025516, 4.486774), 4),
  list(c(0.1 + 0.2, 0.3), 15))
pvalues <- list(
  list(0.05, 3), list(1e-17, 3), list(0, 3), list(1, 3), list(c(1e-17, 1.648e-6), 3), list(c(1e-17, 0.5), 3),
  list(c(1e-17, 0.5), 1), list(c(1e-4, 1e-5), 3), list(c(0.00010854, 0.7915912, 0.877155), 3), list(NA, 3),
  list(c(NA, 0.01), 3), list(c(0.999999, 1e-15), 3), list(2.3e-16, 3), list(2.2e-16, 3), list(c(0, 1e-10), 5))
text <- function(cases, f) lapply(cases, function(k)
  list(values = exact(k[[1]]), digits = k[[2]], text = I(f(k[[1]], digits = k[[2]]))))
zapped <- lapply(list(c(-0.7, 7e-15, 0.7), c(164.0464, 0.0129), c(1e-9, 1)), function(x)
  list(values = exact(x), digits = 5, zapped = exact(zapsmall(x, 5))))
set <- list(names(fixef(fits$irrigation)), names(fixef(fits$cake)), c("(Intercept)", "Days"),
            c("irrigation[T.i2]", "irrigation[T.i3]", "irrigation[T.i2]:variety[T.v2]"),
            c("bs(x, df = 4)1", "bs(x, df = 4)2", "np.log(time + 1)"), c("a very long name", "SHOUTING", "x"))
short <- unlist(lapply(set, function(n) lapply(c(6, 11), function(m)
  list(names = I(n), minlength = m, text = I(unname(abbreviate(n, m)))))), recursive = FALSE)
tables <- list(
  tiny = cbind(Estimate = c(1e-9, 1000), `Std. Error` = c(1e-10, 20), `t value` = c(10, 50), `Pr(>|t|)` = c(1e-9, NA)),
  none = cbind(Estimate = c(1.25, -3), `Std. Error` = c(2, 3), `z value` = c(0.625, -1), `Pr(>|z|)` = c(0.53, 0.32)),
  missing = cbind(Estimate = c(1.25, NA), `Std. Error` = c(0.5, NA), df = c(1e6, NA), `t value` = c(2.5, NA),
                  `Pr(>|t|)` = c(0.0124, NA)))
coefmat <- lapply(tables, function(m) { rownames(m) <- c("a", "bcd")
  list(header = I(colnames(m)), columns = unname(apply(m, 2, exact, simplify = FALSE)),
       text = I(sub(" +$", "", capture.output(printCoefmat(m, digits = 4))))) })
a <- anova(fits$cake)
tests <- list(header = I(names(a)), rows = I(rownames(a)), columns = unname(lapply(a, exact)),
              text = I(sub(" +$", "", capture.output(print(a)))))
write(toJSON(list(made = "R 4.2.2: format, format.pval, zapsmall, abbreviate, printCoefmat; see make_expected.R",
                  columns = text(columns, format), pvalues = text(pvalues, format.pval), zapped = zapped,
                  abbreviated = short, coefmat = coefmat, anova = tests),
             auto_unbox = TRUE, pretty = TRUE), "rformat.json")
