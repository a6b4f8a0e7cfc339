"""The harness: scenario files, the runner that plays them, the auditor, reports and the command line."""
