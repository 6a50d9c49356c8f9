"""What credentials look like: the tables behind `secrets`, as regular expressions.

To recognise one more service's tokens, add its shape and, unless one of the
markers is in every such token already, a marker.
"""

from __future__ import annotations

_B = r"(?<![A-Za-z0-9])"
_RANDOM = r"(?=[a-z_.-]*[A-Z0-9])"  # words joined by dashes are no token
TOKEN_SHAPES: tuple[tuple[str, str], ...] = (
    (
        "private key",
        (
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?=(?:\s|\\+[nr]|[\"'+,]|[\w-]+:[^\n]*\n)*[A-Za-z0-9+/]{16})"  # not code that looks for keys
            r"(?:[\s\S]*?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)"
        ),
    ),
    ("github token", _B + r"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    (
        "gitlab token",
        _B + r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|oas|ffct)-" + _RANDOM + r"[A-Za-z0-9_.-]{20,255}",
    ),
    ("anthropic key", r"(?<![A-Za-z0-9_-])sk-ant-" + _RANDOM + r"[A-Za-z0-9_-]{20,}"),
    (
        "openai key",
        (
            r"(?<![A-Za-z0-9_-])sk-(?:(?:proj|svcacct|admin|None|or-v1)-" + _RANDOM + r"[A-Za-z0-9_-]{20,}"
            r"|(?=[A-Za-z]{0,200}[0-9])[A-Za-z0-9]{32,})"
        ),
    ),
    ("slack token", _B + r"(?:xox[abceoprs]|xapp)-" + _RANDOM + r"[A-Za-z0-9-]{10,}"),
    ("slack webhook", r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
    ("hugging face token", _B + r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    (
        "google key",
        _B + r"(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})",
    ),
    ("aws access key", _B + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("azure key", r"(?<=AccountKey=)[A-Za-z0-9+/]{40,}={0,2}"),
    ("stripe key", _B + r"(?:(?:sk|rk)_(?:live|test)|whsec)_[A-Za-z0-9]{10,}"),
    ("sendgrid key", _B + r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("databricks token", _B + r"dapi[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("docker token", _B + r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    ("npm token", _B + r"npm_[A-Za-z0-9]{36}"),
    ("pypi token", _B + r"pypi-AgE[A-Za-z0-9_-]{16,}"),
    (
        "json web token",
        _B + r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ),
    ("bearer token", r"(?<=[Bb]earer )(?=[A-Za-z_.~+/=-]*[0-9])[A-Za-z0-9_.~+/=-]{16,}"),
    ("url password", r"(?<=://)(?P<user>[^/\s:@?#\[]*):(?!\[redacted|[{$<%*])[^/\s@?#]+(?=@)"),
)
# No shape can match a text that has none of these; searching substrings is the fastest test.
MARKERS = (
    *("://", "sk-", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat", "hf_", "api_org_", "eyJ"),
    *("AKIA", "ASIA", "ABIA", "ACCA", "AccountKey", "AIza", "ya29.", "GOCSPX", "earer ", "xox"),
    *("xapp-", "hooks.slack", "k_live", "k_test", "whsec_", "SG.", "dapi", "dckr_", "npm_", "pypi-"),
    *("-----BEGIN", "glpat", "gldt", "glrt", "glcbt", "glptt", "glft", "glimt", "glagent"),
    *("glsoat", "gloas", "glffct"),
)
AWS_SECRET = (
    r"(?<![A-Za-z0-9/+=])(?=[^\s]{0,39}[a-z])(?=[^\s]{0,39}[A-Z])(?=[^\s]{0,39}[0-9])"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)
AWS_REACH = 200  # characters after an access key within which its secret is looked for

NAME_PARTS = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
STRONG_NAMES = (
    # Of the first three also what is written in one word: `userpassword`, `PGPASSWORD`, `clientsecret`.
    r"(?:^|_)(?:(?P<password>[a-z]*(?:password|passwd|passphrase|passcode|pwd)"
    r"|(?:db|database|sql|mysql|pg|postgres|mongo|redis|smtp|ftp|ssh|http|proxy|user|admin|root|login|basic)"
    r"_?(?:pass|pw))"
    r"|(?P<secret>[a-z]*secrets?)"
    r"|(?P<credentials>[a-z]*credentials?|authorization|connection_string|cookies?)"
    r"|(?P<api_key>apikey|api_?key"
    r"|(?:wandb|openai|anthropic|claude|gemini|hf|hugging_?face|comet|neptune|clearml|mlflow|aws|azure|gcp|google"
    r"|git_?hub|git_?lab|cohere|mistral|groq|replicate|openrouter|deepseek|pinecone|langsmith|langchain|kaggle"
    r"|databricks|stripe|sendgrid|twilio|slack|sentry|datadog|license)_key)"
    r"|(?P<access_key>(?:access|account|secret|auth|master|subscription)_?key)"
    r"|(?P<private_key>(?:private|signing|encryption|ssh|deploy)_?key)"
    r"|(?P<token>(?:access|auth|api|refresh|session|bearer|bot|oauth|secret|private|personal"
    r"|security|deploy|jwt|sas|hf|hub|huggingface|github|gh|gitlab|slack|wandb|openai|npm|pypi)_?token"
    r"|(?:git_?hub|gh|git_?lab|gl|azure|devops)_pat)"
    r")(?:_[0-9]+)?$"
)
# Names that mean other things too: what stands there is a secret only if it looks like one.
PASS_NAME = r"(?:pass|(?:^|_)pw)(?:_[0-9]+)?$"
NO_SECRET_PASS = (
    r"(?:^|_)(?:(?:by|com|encom|sur|tres|over|under)pass"
    r"|(?:high|low|band|all|forward|backward|fwd|bwd|first|second|third|last|final|next|prev|previous"
    r"|n|num|max|min|per|each|any|one|two|three|single|multi|train|eval|test|warmup)_?pass)(?:_[0-9]+)?$"
)
TOKEN_NAME = r"token(?:_[0-9]+)?$"
# What a vocabulary or a prompt has tokens for.
VOCABULARY = (
    r"(?:^|_)(?:pad|eos|bos|sep|cls|mask|unk|unknown|image|img|video|audio|speech|text|start|end"
    r"|stop|special|prefix|suffix|middle|fill|next|last|first|new|prompt|system|assistant"
    r"|tool|think|thinking|eot|eod|eom|boi|eoi|blank|begin|word|sub|target|label|query|key|value"
    r"|class|dist|register|latent|per|each|any|one|n|num|max|min|lang|language|source|task|time|timestamp"
    r"|placeholder|initializer|instance|concept|trigger|sentinel|separator)_?token(?:_[0-9]+)?$"
)
TOKEN_VALUE = r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_.+/=-]{8,}"
PASS_VALUE = r"(?=.*[0-9!@#$%^&])(?=.*[A-Za-z])[A-Za-z0-9_.+/=!@#$%^&*?~-]{6,}"
LONG_VALUE = 16  # characters from which on even words with numbers between them are taken for a secret
# `bert-base-v2`, `cl100k_base`: words and numbers with something between them.
NUMBERED_WORDS = r"{part}(?:[._/+-]{part})+".format(part=r"(?:[A-Z]?[a-z]*|[A-Z]*)[0-9]{0,4}[a-z]{0,2}")
# `epoch100`, `word2vec`: a word with a number of its own.
NUMBERED_WORD = (
    r"(?i:step|stage|phase|epoch|round|iter|iteration|layer|level|block|part|chunk|shard|batch|fold|run|pass"
    r"|train|test|eval|valid|warmup|version|model|unused|token)[0-9]+|[a-z]+2[a-z]+[0-9]?"
)
# Of other keys only what is no word, path or hash: keys of tables and caches are the common ones.
KEY_NAME = r"(?:^|_)key(?:_[0-9]+)?$"
NO_SECRET_KEY = r"(?:^|_)public_key(?:_[0-9]+)?$"
KEY_VALUE = r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9_+=-]{20,}"
TRIVIAL = (
    r"(?:|none|null|nil|true|false|yes|no|on|off|auto|default|required|optional|env|unset|empty"
    r"|x+|\*+|\.+|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|<.*>|%\w+%|env:.*"
    r"|(?-i:\$[A-Z_][A-Z0-9_]*|[A-Z0-9_]+_(?:KEY|TOKEN|SECRET|PASSWORD)))"
)
PATH = r"(?:~|\.{0,2})/[\w./ @~+-]*|[\w./~-]+\.(?:ya?ml|json|toml|env|txt|pem|key|ini|cfg|p12|gpg|asc)"
# `name = value` within a text, in shell, JSON, YAML, URL and HTTP header form.
ASSIGNMENT = (
    r"(?P<name>(?:passw|pass(?![a-z])|(?<![a-z])pw(?![a-z])|passphrase|passcode|pwd|secret|token|key|credential"
    r"|authorization|cookie|(?<![a-z])pat(?![a-z]))"
    r"[\w-]{0,40})(?P<close>\\?[\"']?\s{0,4})(?P<sep>=>|:=|=|:)(?P<gap>[ \t]{0,4})"
    r"(?:(?:bearer|basic|token)[ \t]+)?"
    r"(?:\"(?P<double>[^\"\n]*)\"|'(?P<single>[^'\n]*)'|(?P<bare>[^\s,;\"'&|)\]}(]+))"
)
# What curl is given to log in with: as two words joined by a space, and within a line of a shell.
CURL_USER = r"(?:-[a-zA-Z]*[uU]|--user|--proxy-user) (?P<user>[^:\s]*):(?!\[redacted)."
CURL_LINE = (
    r"(?P<before>(?<![\w./-])(?:[\w./-]*/)?curl(?![\w.-])[^\n|;&]{0,400}?\s"
    r"(?:-[a-zA-Z]*[uU]|--user|--proxy-user)(?:[ \t=]{1,4})[\"']?[^:\s\"']{0,100}:)"
    r"(?!\[redacted|[$\"'\s])[^\s\"';|&]+"
)
