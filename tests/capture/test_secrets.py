"""What is redacted, and that nothing ordinary is."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitml.tracking.secrets import (
    find_tokens,
    redact_command,
    redact_text,
    redact_value,
    strip_url_credentials,
    token_kinds,
)

# Put together here, so that no scanner of source code takes this file for a leak.
MIXED = "a1B2c3D4e5" * 10
AWS_ID = "AKIA" + "QWERTY234567ASDF"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz12345678"
TOKENS = {
    "github token": "gh" + "p_" + MIXED[:36],
    "github token ": "github_" + "pat_" + MIXED[:22] + "_" + MIXED[:59],
    "gitlab token": "glp" + "at-" + MIXED[:20],
    "anthropic key": "sk-" + "ant-api03-" + MIXED[:40],
    "openai key": "sk-" + MIXED[:48],
    "openai key ": "sk-" + "proj-" + MIXED[:20] + "_" + MIXED[:20],
    "slack token": "xo" + "xb-123456789012-" + MIXED[:24],
    "hugging face token": "h" + "f_" + "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh",
    "google key": "AI" + "za" + MIXED[:35],
    "aws access key": AWS_ID,
    "stripe key": "sk_" + "live_" + MIXED[:24],
    "sendgrid key": "S" + "G." + MIXED[:22] + "." + MIXED[:43],
    "databricks token": "da" + "pi" + "0123456789abcdef" * 2,
    "docker token": "dckr_" + "pat_" + MIXED[:27],
    "npm token": "np" + "m_" + MIXED[:36],
    "pypi token": "pypi-" + "AgEIcHlwaS5vcmc" + MIXED[:60],
    "json web token": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0." + MIXED[:43],
    "bearer token": "Authorization: Bearer " + MIXED[:32],
    "private key": f"-----BEGIN {'RSA '}PRIVATE KEY-----\n{MIXED}\n-----END RSA PRIVATE KEY-----",
    "url password": "https://ada:correct-horse@example.org/x.git",
}


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("frame", ["{}", "before {} after", "a={};b", '{{"x": "{}"}}', "x\n{}\ny", "({})"])
def test_a_token_is_redacted_wherever_it_stands(kind, frame):
    token = TOKENS[kind]
    text, kinds = redact_text(frame.format(token))
    assert kind.strip() in kinds
    assert token not in text
    assert MIXED[:16] not in text
    assert f"[redacted: {kind.strip()}]" in text
    assert redact_text(text) == (text, [])


def test_several_tokens_in_a_text_are_all_redacted_and_the_rest_stays():
    text, kinds = redact_text(f"first {TOKENS['npm token']}, then {TOKENS['github token']}!")
    assert text == "first [redacted: npm token], then [redacted: github token]!"
    assert sorted(kinds) == ["github token", "npm token"]


def test_a_secret_next_to_an_aws_access_key_is_redacted_but_not_a_hash():
    text, kinds = redact_text(f"{AWS_ID} {AWS_SECRET}")
    assert (AWS_SECRET in text, "aws secret key" in kinds) == (False, True)
    git_hash = "0123456789abcdef0123456789abcdef01234567"
    assert git_hash in redact_text(f"{AWS_ID} {git_hash}")[0]


def test_a_truncated_private_key_is_redacted_to_the_end():
    assert redact_text(f"key: -----BEGIN PRIVATE KEY-----\n{MIXED}")[0] == "key: [redacted: private key]"


def test_a_url_keeps_user_and_host():
    text, kinds = redact_text("fetch https://ada:hunter2@example.org:8080/x?y=1")
    assert text == "fetch https://ada:[redacted: url password]@example.org:8080/x?y=1"
    assert kinds == ["url password"]


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("password", "hunter2", "password"),
        ("password", "super_secret", "password"),
        ("password", "$ecret!", "password"),
        ("db.password", "hunter2", "password"),
        ("DB_PASSWD", "hunter2", "password"),
        ("dbPassword", "hunter2", "password"),
        ("password", 12345678, "password"),
        ("api_key", "abc-def", "api key"),
        ("apiKey", "abc-def", "api key"),
        ("OPENAI_API_KEY", "abc-def", "api key"),
        ("wandb.apikey", "0123456789abcdef0123456789abcdef01234567", "api key"),
        ("aws_secret_access_key", AWS_SECRET, "access key"),
        ("aws_secret_access_key", "/" + AWS_SECRET[1:], "access key"),
        ("private_key", "abcdef", "private key"),
        ("client_secret", "abcdef", "secret"),
        ("auth_token", "abcdef", "token"),
        ("HF_TOKEN", "abcdef", "token"),
        ("token", "0123456789abcdef0123456789abcdef01234567", "token"),
        ("password", TOKENS["npm token"], "npm token"),
        ("wandb_key", "0123456789abcdef0123456789abcdef01234567", "api key"),
        ("wandbKey", "0123456789abcdef0123456789abcdef01234567", "api key"),
        ("WANDB_KEY", "abc-def", "api key"),
        ("HF_KEY", "abc-def", "api key"),
        ("db_pass", "hunter2", "password"),
        ("smtp.pw", "hunter2", "password"),
        ("session_cookie", "sid=38afes7a8", "credentials"),
        ("sas_token", "sv=2020&sig=x", "token"),
        ("GITHUB_PAT", "abcdef", "token"),
        ("key", "q1W2e3R4t5Y6u7I8o9P0zZ", "key"),
        ("storage_key", "q1W2e3R4t5Y6u7I8o9P0zZ", "key"),
        ("userpassword", "abcdef", "password"),
        ("PGPASSWORD", "abcdef", "password"),
        ("dbpass", "abcdef", "password"),
        ("DBPASS", "abcdef", "password"),
        ("appsecret", "abcdef", "secret"),
        ("token", "abcdef123456", "token"),
        ("a.token", "abcdef123456", "token"),
        ("user.token", "abcdef123456", "token"),
        ("my_token", "a1b2c3d4", "token"),
        ("mytoken", "abcdef123456", "token"),
        ("token", "longsecret123", "token"),
        ("pass", "hunter2", "password"),
        ("pass", "longsecret123", "password"),
        ("pass", "p@ssword", "password"),
        ("user.pass", "Tr0ub4dor&3", "password"),
        ("mail_pass", "hunter2", "password"),
        ("wifipass", "hunter2", "password"),
    ],
)
def test_a_telling_name_redacts_its_value(key, value, kind):
    redacted, kinds = redact_value(key, value)
    assert redacted == f"[redacted: {kind}]"
    assert kinds == [kind]


ORDINARY = [
    ("tokenizer", "bert-base-uncased"),
    ("tokenizer.name", "sentencepiece"),
    ("max_tokens", 512),
    ("num_tokens", 1_000_000),
    ("token_count", 40),
    ("max_new_tokens", 2048),
    ("tokens_per_second", 1234.5),
    ("token", "[MASK]"),
    ("token", "word"),
    ("token", 50256),
    ("pad_token", "<pad>"),
    ("eos_token", "<|endoftext|>"),
    ("image_token", "image_placeholder_0001"),
    ("forced_bos_token", "eng_Latn"),
    ("special_tokens", ["[CLS]", "[SEP]"]),
    ("token", "[unused12]"),
    ("token", "<|reserved_special_token_17|>"),
    ("token", "bert-base-v2"),
    ("token", "cl100k_base"),
    ("token", "word2vec"),
    ("token", "epoch100"),
    ("token", "data/part-00001.txt"),
    ("token_type", "bpe"),
    ("lang_token", "zho_Hans2024"),
    ("placeholder_token", "<cat-toy-2024>"),
    ("subtoken", "abcdef123456"),
    ("key", "value"),
    ("sort_key", "accuracy"),
    ("primary_key", "id"),
    ("public_key", "abc"),
    ("public_key", "q1W2e3R4t5Y6u7I8o9P0zZ"),
    ("cache_key", "0123456789abcdef0123456789abcdef01234567"),
    ("data_key", "sha256:" + "0a1b" * 16),
    ("target_key", "input_ids"),
    ("s3_key", "data/Train-2024/part-00001.parquet"),
    ("group_key", "customer_segment_and_region"),
    ("random_key", 1_234_567),
    ("pass", "second"),
    ("pw", 10_000),
    ("first_pass", 10_000),
    ("n_pass", 2),
    ("pass", "stage1"),
    ("pass", "epoch-10"),
    ("pass@1", 0.25),
    ("forward_pass", "fused2x8"),
    ("lowpass", "butter42"),
    ("bypass", "true"),
    ("bypass", "layer4b2"),
    ("compass", "north12e"),
    ("compat", "yes"),
    ("num_key_value_heads", 8),
    ("query_key_norm", True),
    ("keyboard", "qwerty"),
    ("monkey", "banana1234567890abcdef"),
    ("secretary", "problem"),
    ("password_length", 12),
    ("has_password", True),
    ("password", None),
    ("password", ""),
    ("password", "none"),
    ("password", "${DB_PASSWORD}"),
    ("api_key", "$OPENAI_API_KEY"),
    ("api_key", "OPENAI_API_KEY"),
    ("api_key_env", "OPENAI_API_KEY"),
    ("use_auth_token", True),
    ("private_key", "/home/ada/.ssh/id_rsa"),
    ("private_key", "keys/deploy.pem"),
    ("password_file", "/run/secrets/password"),
    ("pwd", "/home/ada/project"),
    ("commit", "b41d77e0a7d1c5d5f0e1d3c4b5a69788796a5b4c"),
    ("digest", "sha256:" + "0a1b" * 16),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
    ("data", "s3://bucket/train/2024/part-00000.parquet"),
    ("url", "https://example.org:8080/data@v2/x.csv?version=3"),
    ("url", "https://ada@dev.example.org/x"),
    ("remote", "git@example.org:ada/project.git"),
    ("model", "sk-learn-random-forest-classifier-with-a-long-name"),
    ("model", "hf-internal-testing/tiny-random-bert"),
    ("task", "risk-assessment-of-longitudinal-cohorts"),
    ("lr", 0.1),
    ("lr", "1e-4"),
    ("flag", True),
    ("layers", [64, 32]),
    ("nothing", None),
    ("prompt", "Explain the key: a token is a unit of text."),
    ("note", "The secret: patience and a low learning rate."),
    ("code", "tokenizer = AutoTokenizer.from_pretrained('bert'); password = getpass()"),
    ("dsn", 'f"postgres://{user}:{password}@{host}/db"'),
    ("config", '{"pad_token": "<pad>", "max_tokens": 512, "key": "abc"}'),
]


@pytest.mark.parametrize(("key", "value"), ORDINARY)
def test_ordinary_params_stay(key, value):
    redacted, kinds = redact_value(key, value)
    assert redacted is value
    assert kinds == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2", "password=[redacted: password]"),
        ("export API_KEY=abc123; python x.py", "export API_KEY=[redacted: api key]; python x.py"),
        ('{"password": "hun ter2", "n": 1}', '{"password": "[redacted: password]", "n": 1}'),
        ("password: hunter2\nuser: ada", "password: [redacted: password]\nuser: ada"),
        ("https://h.org/x?access_token=abc&y=1", "https://h.org/x?access_token=[redacted: token]&y=1"),
        ("Authorization: Basic YWRhOmh1bnRlcjI=", "Authorization: Basic [redacted: credentials]"),
        ("PGPASSWORD=abc psql", "PGPASSWORD=[redacted: password] psql"),
        ("x --token=abcdef123456", "x --token=[redacted: token]"),
        ("dbpass=abc; run", "dbpass=[redacted: password]; run"),
    ],
)
def test_assignments_within_a_text_are_redacted(text, expected):
    redacted, kinds = redact_text(text)
    assert redacted == expected
    assert len(kinds) == 1
    assert redact_text(redacted) == (redacted, [])


def test_lists_are_redacted_item_by_item():
    value, kinds = redact_value("urls", ["https://a.org", "https://u:hunter2@b.org"])
    assert value == ["https://a.org", "https://u:[redacted: url password]@b.org"]
    assert kinds == ["url password"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["train", "--password", "hunter2", "-v"], ["train", "--password", "[redacted: password]", "-v"]),
        (["train", "--wandb-key", "abc"], ["train", "--wandb-key", "[redacted: api key]"]),
        (["train", "--wandb_key=abc"], ["train", "--wandb_key=[redacted: api key]"]),
        (["sh", "-c", "WANDB_KEY=abc123 x"], ["sh", "-c", "WANDB_KEY=[redacted: api key] x"]),
        (["sh", "-c", "DB_PASS=abc123 x"], ["sh", "-c", "DB_PASS=[redacted: password] x"]),
        (["train", "--sort-key", "accuracy"], ["train", "--sort-key", "accuracy"]),
        (["train", "--api-key=abc"], ["train", "--api-key=[redacted: api key]"]),
        (["train", "db.password=abc"], ["train", "db.password=[redacted: password]"]),
        (["env", "HF_TOKEN=abc", "train"], ["env", "HF_TOKEN=[redacted: token]", "train"]),
        (["train", "--password", "--verbose", "x"], ["train", "--password", "--verbose", "x"]),
        (["curl", "-u", "ada:hunter2", "x"], ["curl", "-u", "ada:[redacted: password]", "x"]),
        (["env", "curl", "-su", "ada:hunter2", "x"], ["env", "curl", "-su", "ada:[redacted: password]", "x"]),
        (["sh", "-c", "curl -s -u a:hunter2 x"], ["sh", "-c", "curl -s -u a:[redacted: password] x"]),
        (["train", "--password", "-hunter2"], ["train", "--password", "[redacted: password]"]),
        (["train", "--password", "-vv", "x"], ["train", "--password", "-vv", "x"]),
        (["train", "--db-password", "p=x"], ["train", "--db-password", "[redacted: password]"]),
        (["git", "clone", "https://u:p4ss@h/x"], ["git", "clone", "https://u:[redacted: url password]@h/x"]),
        (["sh", "-c", "API_KEY=abc x"], ["sh", "-c", "API_KEY=[redacted: api key] x"]),
        (
            ["curl", "-H", "Authorization: Bearer abc"],
            ["curl", "-H", "Authorization: Bearer [redacted: credentials]"],
        ),
        (["true", "env", "PGPASSWORD=abc"], ["true", "env", "PGPASSWORD=[redacted: password]"]),
        (["x", "--pass", "hunter2"], ["x", "--pass", "[redacted: password]"]),
        (["x", "--token", "abcdef123456"], ["x", "--token", "[redacted: token]"]),
        (["x", "--pass", "2", "--token", "bpe"], ["x", "--pass", "2", "--token", "bpe"]),
        (["x", AWS_ID, AWS_SECRET], ["x", "[redacted: aws access key]", "[redacted: aws secret key]"]),
        (["x", "--token", TOKENS["github token"]], ["x", "--token", "[redacted: github token]"]),
    ],
)
def test_command_lines_are_redacted(argv, expected):
    redacted, kinds = redact_command(argv)
    assert list(redacted) == expected
    assert bool(kinds) == (argv != expected)


def test_an_ordinary_command_line_stays():
    argv = [
        "python",
        "train.py",
        "--tokenizer",
        "bert",
        "--max-tokens=512",
        "--key",
        "a",
        "lr=0.1",
        "-u",
        "a:b",
    ]
    assert redact_command(argv) == (tuple(argv), [])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ada:hunter2@example.org/x.git", "https://example.org/x.git"),
        ("https://ada@example.org/x.git", "https://example.org/x.git"),
        ("https://ada:p@ss@example.org/x.git", "https://example.org/x.git"),
        (f"https://{TOKENS['github token']}@example.org/x.git", "https://example.org/x.git"),
        ("ssh://git@example.org/x.git", "ssh://git@example.org/x.git"),
        ("ssh://git:pw@example.org/x.git", "ssh://git@example.org/x.git"),
        ("git+ssh://git:pw@example.org/x.git", "git+ssh://git@example.org/x.git"),
        ("git@example.org:x.git", "git@example.org:x.git"),
        ("https://example.org/x?private_token=abc&ref=main", "https://example.org/x?ref=main"),
        ("https://example.org/x?sig=abc", "https://example.org/x"),
        ("/srv/git/x.git", "/srv/git/x.git"),
        ("https://example.org/a@b/x.git", "https://example.org/a@b/x.git"),
        ("codecommit::https://u:p@example.org/x", "codecommit::https://example.org/x"),
    ],
)
def test_urls_lose_their_credentials(url, expected):
    assert strip_url_credentials(url) == expected
    assert strip_url_credentials(expected) == expected


def test_source_code_that_handles_secrets_is_not_suspected():
    source = """
        password = getpass.getpass(); token = os.environ["GITHUB_TOKEN"]
        PEM = re.compile("-----BEGIN PRIVATE KEY-----")
        url = f"https://{user}:{password}@{host}"; example = "https://user:password@example.org"
    """
    assert token_kinds(source) == []
    assert find_tokens(source) == frozenset()


def test_tokens_in_source_code_are_found():
    source = f'KEY = "{TOKENS["openai key"]}"'
    assert token_kinds(source) == ["openai key"]
    assert find_tokens(source) == {TOKENS["openai key"]}


WORDS = st.text(string.ascii_letters + string.digits + "_-./", max_size=60)


@given(st.text(max_size=200))
@example("password=[redacted: password]")
@example("token=")
@example("secret: \n")
def test_redaction_is_stable_for_any_text(text):
    once, kinds = redact_text(text)
    assert redact_text(once) == (once, [])
    assert (once == text) == (kinds == [])


@given(st.text("0123456789abcdef", min_size=7, max_size=64), st.sampled_from(["", "sha256:", "v", "/data/"]))
def test_hashes_are_never_redacted(digest, prefix):
    assert redact_text(prefix + digest) == (prefix + digest, [])


@given(st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), min_size=1, max_size=6))
def test_paths_and_words_are_never_redacted(parts):
    for joint in ("/", "-", "_", " ", "."):
        text = joint.join(parts)
        if not any(part in ("sk", "pypi") for part in parts):
            assert redact_text(text) == (text, [])


@given(st.sampled_from(sorted(TOKENS)), WORDS, WORDS)
def test_a_token_between_any_words_is_redacted(kind, before, after):
    token = TOKENS[kind]
    assert token not in redact_text(f"{before} {token} {after}")[0]


@given(st.lists(st.text(max_size=30), max_size=8))
def test_a_command_keeps_its_number_of_arguments(argv):
    redacted, _ = redact_command(argv)
    assert len(redacted) == len(argv)
    assert redact_command(redacted)[0] == redacted
