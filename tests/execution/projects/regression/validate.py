"""Cross-validation of one alpha, a metric value for each fold."""

import os
import sys

import pandas as pd
from sklearn.linear_model import Lasso
from sklearn.model_selection import cross_val_score

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow

alpha, folds = float(sys.argv[1]), int(sys.argv[2])
houses = pd.read_csv("heating.csv")
scores = cross_val_score(Lasso(alpha), houses.drop(columns="demand"), houses["demand"], cv=folds)
for fold, score in enumerate(scores):
    mlflow.log_metric("fold_r2", score, step=fold)
mlflow.log_metric("mean_r2", scores.mean())
