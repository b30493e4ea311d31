"""The script agent: a conversation written in YAML (docs/scripts.md), followed word by word on a live call.

parse.parse_script reads a script, run.run_script follows it, examples.load_example gives the packaged ones.
"""
