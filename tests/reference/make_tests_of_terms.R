# Makes tests_of_terms.csv and tests_of_terms.json: F tables of unbalanced models with interactions
# and covariates. Run in this directory; values here are from R 4.2.2, lme4 1.1-31, lmerTest 3.1-3,
# pbkrtest 0.5.2. Optimiser tolerances are tight, so that θ is not what differs.
suppressMessages({library(lmerTest); library(jsonlite)})
set.seed(20261)
n <- 170
d <- data.frame(a = sample(c("p", "q", "r"), n, TRUE, c(.5, .3, .2)), b = sample(c("u", "v"), n, TRUE, c(.6, .4)),
                h = sprintf("h%02d", sample(9, n, TRUE)), x = round(rnorm(n, 2, 1.5), 3), w = round(runif(n, .5, 3), 2))
g <- sample(14, n, TRUE)
d$g <- sprintf("g%02d", g)
u <- rnorm(14); s <- rnorm(14, 0, .5); v <- rnorm(9, 0, .7)
d$y <- round(1 + (d$a == "q") - .5 * d$x + .4 * d$x * (d$b == "v") + u[g] + s[g] * d$x +
             v[as.integer(substr(d$h, 2, 3))] + rnorm(n), 4)
d <- d[!(d$a == "q" & d$b == "v" & d$x < 0), ]
d$c <- ifelse(d$a == "r" & d$b == "v", "p", d$a)   # no cell c = r, b = v
write.csv(d, "tests_of_terms.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("tests_of_terms.csv", stringsAsFactors = TRUE)
ctl <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5),
                   check.conv.singular = "ignore", check.conv.grad = "ignore", check.conv.hess = "ignore")
table <- function(x) {
  names(x) <- c("sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value")
  cbind(term = rownames(x), x, row.names = NULL)
}
one <- function(formula, contrasts = NULL, weights = NULL, kr = TRUE) {
  d$.w <- if (is.null(weights)) rep(1, nrow(d)) else d[[weights]]
  f <- lmer(as.formula(formula), d, contrasts = contrasts, weights = .w, control = ctl)
  out <- list(formula = formula, contrasts = contrasts, weights = weights, theta = unname(getME(f, "theta")))
  for (type in 1:3) out[[paste0("type", type)]] <- table(anova(f, type = type))
  out$drop1 <- table(drop1(f))
  if (kr) for (type in 1:3) out[[paste0("type", type, "_kr")]] <- table(anova(f, type = type, ddf = "Kenward-Roger"))
  out
}
models <- list(
  three_way = one("y ~ a * b * x + (1 | g)"),
  slope = one("y ~ a * x + b + (x | g)"),
  crossed = one("y ~ a * b + x + (1 | g) + (1 | h)"),
  sums = one("y ~ a * b * x + (1 | g)", list(a = "contr.sum", b = "contr.sum")),
  mixed_coding = one("y ~ a * b + b:x + (1 | g)", list(a = "contr.helmert", b = "contr.sum")),
  no_intercept = one("y ~ 0 + a * b + x + (1 | g)"),
  slopes_only = one("y ~ x + a:x + (1 | g)"),
  nested_factor = one("y ~ a + a:b + (1 | g)"),
  missing_cell = one("y ~ c * b + x + (1 | g)"),
  transform = one("y ~ a * log(x + 10) + (1 | g)"),
  weighted = one("y ~ a * b + x + (1 | g)", weights = "w", kr = FALSE)
)
f <- lmer(y ~ a * b + x + (1 | g) + (1 | h), d, control = ctl)
L <- rbind(c(0, 1, -1, 0, 0, 0, 0), c(0, 0, 0, 1, 0, 0, 0), c(0, 0, 0, 0, 1, 0, 0))
rhs <- c(0.1, 0, -0.3)
contest_of <- function(L, rhs, ddf) table(contestMD(f, L, rhs = rhs, ddf = ddf))
small <- lmer(y ~ b + x + (1 | g) + (1 | h), d, control = ctl)
kr <- pbkrtest::KRmodcomp(f, small)
slope <- lmer(y ~ a * x + b + (x | g), d, control = ctl)
contests <- list(
  formula = "y ~ a * b + x + (1 | g) + (1 | h)", L = L, rhs = rhs,
  satterthwaite = contest_of(L, rhs, "Satterthwaite"), kenward_roger = contest_of(L, rhs, "Kenward-Roger"),
  twice = contest_of(rbind(L, L[1, ] + L[2, ]), 0, "Satterthwaite"),
  small = "y ~ b + x + (1 | g) + (1 | h)", kr = as.data.frame(kr$test),
  ranova_slope = local({ x <- as.data.frame(ranova(slope)); cbind(term = rownames(x), x) }),
  coef_kr = unname(coef(summary(f, ddf = "Kenward-Roger"))),
  vcov_kr = as.matrix(pbkrtest::vcovAdj(f)))
write_json(list(models = models, contests = contests), "tests_of_terms.json", digits = I(15), auto_unbox = TRUE,
           na = "null", matrix = "rowmajor", pretty = 1)
