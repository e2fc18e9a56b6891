"""A pattern of texts, in words."""


def choice_in_words(pattern: str) -> str:
    """``^(debug|info)$`` as "one of debug, info"; any other pattern as it is."""
    choices = pattern.removeprefix("^(").removesuffix(")$").split("|")
    if all(map(str.isalpha, choices)):
        return "one of " + ", ".join(choices)
    return f"a text of the form {pattern}"
