# Writes datasets.json: columns of the data sets as R has them. Run: Rscript make_datasets.R DATA,
# DATA being the directory of the published csv files; lme4's own sets come from the package.
# Made with R 4.2.2, lme4 1.1-31 and jsonlite. The tests read the json only.
suppressMessages({library(lme4); library(jsonlite)})
read <- function(name) read.csv(file.path(commandArgs(TRUE)[1], name), stringsAsFactors = TRUE)
sets <- list(sleepstudy = sleepstudy, pulp = read("faraway_pulp.csv"), penicillin = read("faraway_penicillin.csv"),
             irrigation = read("irrigation.csv"), solutions = read("solutions.csv"), dragons = read("dragons.csv"),
             dyestuff = Dyestuff, dyestuff2 = Dyestuff2, pastes = Pastes, penicillin_assay = Penicillin,
             cake = cake, insteval = InstEval)
about <- function(v) {
  if (is.factor(v)) {
    names <- levels(v)
    list(levels = if (length(names) <= 60) I(names) else NULL, count = length(names), first_row = as.character(v[1]),
         last_row = as.character(v[length(v)]))
  } else list(sum = sum(v), sum_of_squares = sum(as.numeric(v)^2), first_row = v[1], last_row = v[length(v)])
}
out <- lapply(sets, function(d) list(rows = nrow(d), columns = lapply(d, about)))
write(toJSON(c(list(made = "R 4.2.2, lme4 1.1-31; see make_datasets.R"), list(sets = out)), auto_unbox = TRUE, digits = NA), "datasets.json")
