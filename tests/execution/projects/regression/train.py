"""How much heating a house needs: an elastic net on four columns."""

import argparse
import os

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=1.0)
parser.add_argument("--l1-ratio", type=float, default=0.5)
parser.add_argument("--data", default="heating.csv")
args = parser.parse_args()

houses = pd.read_csv(args.data)
train, test = train_test_split(houses, test_size=0.25, random_state=40)
columns = [column for column in houses if column != "demand"]

with mlflow.start_run():
    model = ElasticNet(alpha=args.alpha, l1_ratio=args.l1_ratio, random_state=42)
    model.fit(train[columns], train["demand"])
    predicted = model.predict(test[columns])

    rmse = float(np.sqrt(mean_squared_error(test["demand"], predicted)))
    print(f"ElasticNet(alpha={args.alpha:g}, l1_ratio={args.l1_ratio:g}): RMSE {rmse:.3f}")

    mlflow.log_param("alpha", args.alpha)  # the project logs it as well: the same value twice is no conflict
    mlflow.log_metric("rmse", rmse)
    mlflow.log_metric("r2", r2_score(test["demand"], predicted))
    mlflow.log_metric("mae", mean_absolute_error(test["demand"], predicted))
    mlflow.set_tag("model", "elastic net")

    test.assign(predicted=predicted.round(6)).to_csv("predictions.csv", index=False)
    mlflow.log_artifact("predictions.csv")
    os.remove("predictions.csv")
    mlflow.log_dict(dict(zip(columns, model.coef_.tolist(), strict=True)), "model/coefficients.json")
    joblib.dump(model, "model.joblib")
    mlflow.log_artifact("model.joblib", "model")
    os.remove("model.joblib")
