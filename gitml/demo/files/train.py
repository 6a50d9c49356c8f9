"""Tell malignant from benign tumours, epoch by epoch.

569 patients, 30 measurements each (scikit-learn's copy of the Wisconsin data set).
Runs with or without gitml around it: `python train.py --model mlp`.
"""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import gitml


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["linear", "mlp"], default="linear")
    parser.add_argument("--alpha", type=float, default=0.001, help="strength of the penalty")
    parser.add_argument("--hidden", type=int, default=16, help="width of the hidden layer of mlp")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def prepare(seed):
    data = load_breast_cancer()
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.25, random_state=seed, stratify=data.target
    )
    return train_x, test_x, train_y, test_y


def build(options):
    if options.model == "linear":
        return SGDClassifier(loss="log_loss", alpha=options.alpha, random_state=options.seed)
    return MLPClassifier((options.hidden,), alpha=options.alpha, random_state=options.seed)


def weights(model):
    if isinstance(model, SGDClassifier):
        return {"coefficients": model.coef_, "intercept": model.intercept_}
    return {f"layer{i}": layer for i, layer in enumerate(model.coefs_)} | {
        f"bias{i}": bias for i, bias in enumerate(model.intercepts_)
    }


def main():
    options = arguments()
    train_x, test_x, train_y, test_y = prepare(options.seed)
    gitml.log_input(gitml.data.from_numpy(train_x, targets=train_y, name="tumours"), context="training")
    model = build(options)
    order = np.random.default_rng(options.seed)
    for epoch in range(1, options.epochs + 1):
        rows = order.permutation(len(train_x))
        model.partial_fit(train_x[rows], train_y[rows], classes=[0, 1])
        chances = model.predict_proba(test_x)[:, 1]
        metrics = {
            "accuracy": model.score(test_x, test_y),
            "auc": roc_auc_score(test_y, chances),
            "loss": log_loss(test_y, chances, labels=[0, 1]),
        }
        gitml.log_metrics(metrics, step=epoch)
    print(f"{options.model}: accuracy {metrics['accuracy']:.4f}, loss {metrics['loss']:.4f}")

    counts = confusion_matrix(test_y, model.predict(test_x))
    lines = ["truth,malignant,benign"]
    lines += [f"{name},{row[0]},{row[1]}" for name, row in zip(["malignant", "benign"], counts, strict=True)]
    gitml.log_text("\n".join(lines) + "\n", "confusion.csv")

    np.savez("model.npz", **weights(model))
    gitml.log_artifact("model.npz")


if __name__ == "__main__":
    main()
