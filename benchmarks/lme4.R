# Rscript lme4.R data.csv formula factor,columns budget → one line of JSON, as peers.py's worker.
args <- commandArgs(trailingOnly = TRUE)
say <- function(...) cat(sprintf(...), "\n")
if (!suppressWarnings(suppressMessages(require(lme4, quietly = TRUE)))) {
  say('{"value": null, "note": "absent: R has no lme4"}')
  quit(status = 0)
}
data <- read.csv(args[1], stringsAsFactors = TRUE)
for (name in setdiff(strsplit(args[3], ",")[[1]], "")) data[[name]] <- factor(data[[name]])
model <- as.formula(args[2])
budget <- as.numeric(args[4])
once <- function() {
  begun <- proc.time()[["elapsed"]]
  fit <<- suppressWarnings(suppressMessages(lmer(model, data)))
  proc.time()[["elapsed"]] - begun
}
times <- once()
if (times <= budget) {
  # proc.time counts milliseconds: short fits are timed ten at a time.
  block <- function() {
    begun <- proc.time()[["elapsed"]]
    for (i in 1:10) once()
    (proc.time()[["elapsed"]] - begun) / 10
  }
  each <- if (times < 0.1) block else once
  times <- each()
  while (length(times) < 5 || sum(times) < budget / 10) times <- c(times, each())
}
say('{"value": %.6g, "repeats": %d, "criterion": %.15g}', median(times), length(times), REMLcrit(fit))
