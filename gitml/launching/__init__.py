"""Programs as runs: start one, relay what it prints, record what it leaves."""
