# Makes rlrsim.json: exact tests by RLRsim 3.1-8 on lme4 fits (run in this directory, with the
# shipped data sets of python/partialpool/datasets/data).
suppressMessages({library(lme4); library(RLRsim); library(jsonlite)})
data <- function(name) read.csv(file.path("../../python/partialpool/datasets/data", paste0(name, ".csv")))
nsim <- 1e6
out <- list()
keep <- function(test) list(stat = unname(test$statistic), p = test$p.value, nsim = nsim)

pulp <- data("pulp")[-c(1, 2, 7, 13), ]
out$pulp_unbalanced_lrt <- keep(exactLRT(lmer(bright ~ 1 + (1 | operator), pulp, REML = FALSE),
                                         lm(bright ~ 1, pulp), nsim = nsim, seed = 1))
out$pulp_unbalanced_rlrt <- keep(exactRLRT(lmer(bright ~ 1 + (1 | operator), pulp), nsim = nsim, seed = 2))

pen <- data("penicillin")
out$penicillin_lrt_with_treat <- keep(exactLRT(lmer(yield ~ treat + (1 | blend), pen, REML = FALSE),
                                               lm(yield ~ 1, pen), nsim = nsim, seed = 3))
out$penicillin_rlrt <- keep(exactRLRT(lmer(yield ~ treat + (1 | blend), pen), nsim = nsim, seed = 4))

pastes <- data("pastes")
pastes$sample <- interaction(pastes$batch, pastes$cask)
full <- lmer(strength ~ 1 + (1 | sample) + (1 | batch), pastes)
out$pastes_batch_rlrt <- keep(exactRLRT(lmer(strength ~ 1 + (1 | batch), pastes), full,
                                        lmer(strength ~ 1 + (1 | sample), pastes), nsim = nsim, seed = 5))

write_json(out, "rlrsim.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
