# Values for tests/inference/test_means.py, by R's lme4, lmerTest, pbkrtest and emmeans:
#   Rscript tests/reference/means.R <directory of the CSV files> tests/reference/means.json
suppressMessages({library(lmerTest); library(emmeans); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
emm_options(pbkrtest.limit = 1000, lmerTest.limit = 1000)
cake <- read.csv(file.path(args[1], "cake.csv"), stringsAsFactors = TRUE)
cake$number <- cake$temperature - 200
cake$temperature <- factor(cake$temperature)
dragons <- read.csv(file.path(args[1], "dragons.csv"), stringsAsFactors = TRUE)
i <- seq_len(nrow(cake)) - 1
few <- cake[i %% 7 != 3 & !(cake$recipe == "B" & cake$number > 5 & cake$replicate > 9), ]
few$early <- as.numeric(few$replicate <= 8)
few$w <- 1 + (seq_len(nrow(few)) - 1) %% 3
hole <- cake[!(cake$recipe == "C" & cake$temperature == "225"), ]
options(contrasts = c("contr.treatment", "contr.poly"))
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e6))
full <- lmer(angle ~ recipe * temperature + (1 | recipe:replicate), cake, control = control)
uneven <- lmer(angle ~ recipe * number + early + (1 | recipe:replicate), few, weights = w, control = control)
logged <- lmer(log(angle) ~ recipe + poly(number, 2) + (1 | recipe:replicate), few, control = control)
shifted <- lmer(angle ~ recipe + offset(number / 10) + (1 | recipe:replicate), few, control = control)
holed <- lmer(angle ~ recipe * temperature + (1 | recipe:replicate), hole, control = control)
# bobyqa fails here: start at the exact optimum of exact.json
dragon <- lmer(intelligence ~ wingspan * scales + (1 + wingspan | mountain), dragons,
               start = c(0.22178809063634622, 0.004793145799998091, 0.03783703741393016),
               control = lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-14)))
three <- lmer(angle ~ recipe * temperature * early + (1 | replicate), few, control = control)
plain <- lm(angle ~ recipe * number, few)
show <- function(x) { d <- as.data.frame(if (is(x, "emmGrid")) summary(x) else x); for (n in names(d)) if (is.factor(d[[n]])) d[[n]] <- as.character(d[[n]]); d }
out <- list()
for (ddf in c("satterthwaite", "kenward-roger", "asymptotic")) {
  k <- function(name) paste0(name, "/", ddf)
  e <- emmeans(full, "recipe", by = "temperature", lmer.df = ddf)
  out[[k("full_by")]] <- show(e)
  for (adj in c("tukey", "holm", "bonferroni", "sidak", "none")) {
    out[[k(paste0("full_pairs_", adj))]] <- show(pairs(e, adjust = adj))
    out[[k(paste0("full_confint_", adj))]] <- show(confint(pairs(e, adjust = adj)))
  }
  t <- emmeans(full, "temperature", lmer.df = ddf)
  out[[k("full_control")]] <- show(contrast(t, "trt.vs.ctrl", ref = 2))
  out[[k("full_control_confint")]] <- show(confint(contrast(t, "trt.vs.ctrl", ref = 2)))
  out[[k("full_poly")]] <- show(contrast(t, "poly"))
  out[[k("full_pairs_temperature")]] <- show(pairs(t))
  out[[k("full_custom")]] <- show(contrast(t, list(hot = c(-1, -1, -1, 1, 1, 1) / 3, ends = c(-1, 0, 0, 0, 0, 1))))
  out[[k("full_cells")]] <- show(emmeans(full, c("temperature", "recipe"), lmer.df = ddf, level = .9))
  u <- emmeans(uneven, "recipe", lmer.df = ddf)
  out[[k("uneven")]] <- show(u)
  out[[k("uneven_pairs")]] <- show(pairs(u))
  out[[k("uneven_at")]] <- show(emmeans(uneven, "recipe", by = "number", at = list(number = c(-20, 10), early = 1), lmer.df = ddf))
  tr <- emtrends(uneven, "recipe", "number", lmer.df = ddf)
  out[[k("uneven_trends")]] <- show(tr)
  out[[k("uneven_trends_pairs")]] <- show(pairs(tr))
  out[[k("logged")]] <- show(emmeans(logged, "recipe", lmer.df = ddf))
  out[[k("logged_at")]] <- show(emmeans(logged, "number", at = list(number = c(-25, 3)), lmer.df = ddf))
  out[[k("logged_trend")]] <- show(emtrends(logged, "number", "number", at = list(number = c(-10, 5)), delta.var = 1e-5, lmer.df = ddf))
  out[[k("shifted")]] <- show(emmeans(shifted, "recipe", lmer.df = ddf))
  out[[k("holed")]] <- show(emmeans(holed, "recipe", lmer.df = ddf))
  out[[k("holed_cells")]] <- show(emmeans(holed, "recipe", by = "temperature", lmer.df = ddf))
  out[[k("dragon_pairs")]] <- show(pairs(emmeans(dragon, "scales", by = "wingspan", at = list(wingspan = c(40, 60)), lmer.df = ddf)))
  out[[k("dragon_trend_pairs")]] <- show(pairs(emtrends(dragon, "scales", "wingspan", lmer.df = ddf)))
  out[[k("three")]] <- show(emmeans(three, "temperature", by = c("recipe", "early"), lmer.df = ddf))
}
out[["plain"]] <- show(emmeans(plain, "recipe"))
out[["plain_pairs"]] <- show(pairs(emmeans(plain, "recipe")))
joint <- function(...) { d <- as.data.frame(joint_tests(...)); names(d)[1] <- "term"; d$note <- NULL; d }
for (ddf in c("satterthwaite", "kenward-roger")) {
  k <- function(name) paste0(name, "/", ddf)
  out[[k("joint_full")]] <- joint(full, lmer.df = ddf)
  out[[k("joint_uneven")]] <- joint(uneven, lmer.df = ddf)
  out[[k("joint_three")]] <- joint(three, lmer.df = ddf)
  out[[k("joint_dragon")]] <- joint(dragon, lmer.df = ddf)
  b <- as.data.frame(joint_tests(three, by = "early", lmer.df = ddf)); b$note <- NULL
  out[[k("joint_by")]] <- b
}
printed <- list(
  full_pairs = capture.output(print(pairs(emmeans(full, "recipe", by = "temperature", lmer.df = "satterthwaite")))),
  uneven = capture.output(print(emmeans(uneven, "recipe", lmer.df = "satterthwaite"))),
  uneven_at = capture.output(print(emmeans(uneven, "recipe", by = "number", at = list(number = c(-20, 10), early = 1), lmer.df = "asymptotic"))),
  trends = capture.output(print(emtrends(uneven, "recipe", "number", lmer.df = "satterthwaite"))),
  control = capture.output(print(contrast(emmeans(full, "temperature", lmer.df = "satterthwaite"), "trt.vs.ctrl", ref = 2))),
  cells = capture.output(print(emmeans(uneven, c("number", "recipe"), at = list(number = c(-20, 10.5)), lmer.df = "satterthwaite"))),
  logged = capture.output(print(emmeans(logged, "recipe", lmer.df = "satterthwaite"))),
  holed = capture.output(print(emmeans(holed, "recipe", lmer.df = "satterthwaite"))),
  joint = capture.output(print(joint_tests(three, lmer.df = "satterthwaite"))))
out$printed <- printed
out$versions <- sapply(c("lme4", "lmerTest", "pbkrtest", "emmeans"), function(p) as.character(packageVersion(p)))
write_json(out, args[2], digits = NA, auto_unbox = TRUE, na = "null", pretty = FALSE)
