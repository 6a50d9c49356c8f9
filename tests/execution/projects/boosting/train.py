"""Gradient boosting with a loss that is logged after each iteration."""

import argparse
import os

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

if os.environ.get("GITML_RUN_ID"):
    import gitml as mlflow
else:
    import mlflow


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=0.3)
    parser.add_argument("--max-iter", type=int, default=100)
    parser.add_argument("--max-depth", type=int, default=None)
    parser.add_argument("--loss-name", default="loss")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main():
    args = arguments()
    rows, labels = make_classification(
        n_samples=400, n_features=8, n_informative=5, flip_y=0.08, random_state=args.seed
    )
    train, test, y_train, y_test = train_test_split(rows, labels, test_size=0.3, random_state=args.seed)

    with mlflow.start_run():
        model = HistGradientBoostingClassifier(
            learning_rate=args.learning_rate,
            max_iter=args.max_iter,
            max_depth=args.max_depth,
            early_stopping=False,
            random_state=args.seed,
        ).fit(train, y_train)
        for iteration, probabilities in enumerate(model.staged_predict_proba(test)):
            mlflow.log_metric(args.loss_name, log_loss(y_test, probabilities), step=iteration)
        scores = model.predict_proba(test)[:, 1]
        mlflow.log_metrics({"auc": roc_auc_score(y_test, scores), "accuracy": model.score(test, y_test)})
        mlflow.log_text(np.array2string(confusion_matrix(y_test, scores > 0.5)) + "\n", "confusion.txt")


if __name__ == "__main__":
    main()
