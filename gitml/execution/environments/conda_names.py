"""Which of conda's packages are on PyPI, and under what name.

A person added each: the project behind both is the same. Packages with parts
that are not Python's (CUDA, R, compilers, libraries) have no place here.
"""

from __future__ import annotations

SAME_ON_PYPI = frozenset(
    """
    absl-py accelerate aiohttp altair astropy attrs beautifulsoup4 black bokeh boto3 botocore bottleneck
    catboost certifi cffi charset-normalizer click cloudpickle cryptography cvxpy cycler cython datasets
    datashader dill distributed einops fastapi fastparquet filelock flask fsspec gensim geopandas
    gitpython gradio graphql-core gunicorn h5py holoviews httpx huggingface-hub hydra-core hyperopt idna
    imageio imbalanced-learn importlib-metadata ipykernel ipython ipywidgets jinja2 joblib jsonschema jupyter
    jupyterlab keras kiwisolver librosa lightgbm lightning llvmlite lxml markdown markupsafe matplotlib mlflow
    mlflow-skinny mlxtend mypy networkx nibabel nltk notebook numba numexpr numpy omegaconf onnx openpyxl
    optuna orjson packaging pandas papermill patsy pillow plotly polars prefect prettytable prophet protobuf
    psutil pyarrow pydantic pydot pygments pyparsing pyproj pytest python-dateutil python-dotenv
    pytorch-lightning pytz pywavelets pyyaml pyzmq regex requests rich ruff s3fs sacremoses safetensors
    scikit-image scikit-learn scipy seaborn sentencepiece shap shapely six skorch spacy sqlalchemy statsmodels
    streamlit sympy tabulate tensorboard tensorflow threadpoolctl timm tokenizers toml toolz torchaudio
    torchmetrics torchvision tornado tqdm traitlets transformers typer typing-extensions umap-learn urllib3 uvicorn wandb
    werkzeug wrapt xarray xgboost xlrd xlsxwriter yellowbrick zarr zstandard
    """.split()  # noqa: SIM905 - a table to read
)

OTHER_ON_PYPI = {
    "dask": "dask[complete]",
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "ray-core": "ray",
    "ray-default": "ray[default]",
    "ray-tune": "ray[tune]",
    "tensorflow-base": "tensorflow",
}
