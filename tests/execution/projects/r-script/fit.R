# How long a car needs to stop: a polynomial on R's own data set `cars`.
arguments <- commandArgs(trailingOnly = TRUE)
degree <- if (length(arguments) > 0) as.integer(arguments[[length(arguments)]]) else 1L

fit <- lm(dist ~ poly(speed, degree), data = cars)
write.csv(
  data.frame(speed = cars$speed, fitted = round(fitted(fit), 6)), "fitted.csv", row.names = FALSE
)

if (Sys.getenv("GITML_RUN_ID") != "") {
  status <- system2("gitml", c("log-metric", "r_squared", sprintf("%.12g", summary(fit)$r.squared)))
  status <- max(status, system2("gitml", c("log-artifact", "fitted.csv")))
} else {
  # MLflow's command logs artifacts; for metrics it wants its R package.
  run <- Sys.getenv("MLFLOW_RUN_ID")
  status <- system2("mlflow", c("artifacts", "log-artifact", "--local-file", "fitted.csv", "--run-id", run))
}
unlink("fitted.csv")
cat("degree:", degree, "\n")
quit(status = status)
