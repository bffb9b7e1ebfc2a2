# Writes splines.json: values of splines::ns (R 4.2.2). Run: Rscript make_splines.R (needs jsonlite).
# The tests read the json only.
library(splines)
set.seed(1)
x <- round(c(runif(37, -2, 9), 3, 3, 3), 3)
new <- c(-5, min(x), -1, 0.5, 3, 7.25, max(x), 12)
cases <- list(
  list(formula = "ns(x)", call = quote(ns(x))),
  list(formula = "ns(x, 3)", call = quote(ns(x, 3))),
  list(formula = "ns(x, df=5)", call = quote(ns(x, df = 5))),
  list(formula = "ns(x, df=4, intercept=TRUE)", call = quote(ns(x, df = 4, intercept = TRUE))),
  list(formula = "ns(x, intercept=TRUE)", call = quote(ns(x, intercept = TRUE))),
  list(formula = "ns(x, knots=c(1, 4.5))", call = quote(ns(x, knots = c(1, 4.5)))),
  list(formula = "ns(x, knots=3)", call = quote(ns(x, knots = 3))),
  list(formula = "ns(x, df=4, Boundary.knots=c(0, 8))", call = quote(ns(x, df = 4, Boundary.knots = c(0, 8)))),
  list(formula = "ns(x, df=3, intercept=TRUE, Boundary.knots=c(-4, 11))",
       call = quote(ns(x, df = 3, intercept = TRUE, Boundary.knots = c(-4, 11)))))
out <- lapply(cases, function(case) {
  basis <- eval(case$call)
  list(formula = case$formula, values = unclass(basis)[, , drop = FALSE], predicted = predict(basis, new)[, , drop = FALSE])
})
number <- function(m) lapply(seq_len(nrow(m)), function(i) I(as.numeric(m[i, ])))
out <- lapply(out, function(o) list(formula = o$formula, values = number(o$values), predicted = number(o$predicted)))
write(jsonlite::toJSON(list(made = "R 4.2.2, splines::ns and its predict(); see make_splines.R", x = x, new = new, cases = out),
                       auto_unbox = TRUE, digits = NA), "splines.json")
