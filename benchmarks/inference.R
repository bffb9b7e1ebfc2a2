# Rscript inference.R task data.csv budget → one line of JSON, as timing.py's rows.
args <- commandArgs(trailingOnly = TRUE)
say <- function(...) cat(sprintf(...), "\n")
needs <- list(bootstrap = "lme4", profile = "lme4", kr = c("lme4", "pbkrtest"), satterthwaite = c("lme4", "lmerTest"),
              rlrt = c("lme4", "RLRsim"))[[args[1]]]
for (name in needs) {
  if (!suppressWarnings(suppressMessages(require(name, quietly = TRUE, character.only = TRUE)))) {
    say('{"value": null, "note": "absent: R has no %s"}', name)
    quit(status = 0)
  }
}
data <- read.csv(args[2], stringsAsFactors = TRUE)
for (name in intersect(c("Subject", "s", "d", "service", "operator"), names(data))) data[[name]] <- factor(data[[name]])
budget <- as.numeric(args[3])
seconds <- function(action) system.time(suppressWarnings(suppressMessages(action())))[["elapsed"]]
repeated <- function(action) {
  times <- seconds(action)
  while (sum(times) < budget && length(times) < 3) times <- c(times, seconds(action))
  say('{"value": %.6g, "repeats": %d}', median(times), length(times))
}
sleep <- function() lmer(Reaction ~ Days + (Days | Subject), data)
if (args[1] == "bootstrap") {
  fit <- sleep()
  some <- 200
  time <- seconds(function() bootMer(fit, fixef, nsim = some))
  say('{"value": %.6g, "note": "bootMer of %d refits, times %g"}', time * 10000 / some, some, 10000 / some)
} else if (args[1] == "profile") {
  fit <- sleep()
  repeated(function() profile(fit))
} else if (args[1] == "kr") {
  fit <- lmer(y ~ service + (1 | s) + (1 | d), data)
  repeated(function() vcovAdj(fit))
} else if (args[1] == "satterthwaite") {
  fit <- lme4::lmer(y ~ service + (1 | s) + (1 | d), data)
  repeated(function() summary(lmerTest::as_lmerModLmerTest(fit)))
} else {
  fit <- lme4::lmer(bright ~ 1 + (1 | operator), data)
  repeated(function() exactRLRT(fit, nsim = 1e6))
}
