"""Who answered a call: evidence from the near voice, tones and words, and the judge over it. Pure."""
