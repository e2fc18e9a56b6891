"""Texts of typed messages: bounded and printable before any service looks at them."""

from typing import Any, Final

from google.protobuf import message as messages

from drawdown.model.request_check import check_text

# Fields that bring what others wrote, bounded by the size of the message; who reads them judges them.
_AS_THEY_ARE: Final = {
    ("ProviderCallbackRequest", "body"),
    ("ProviderCallbackRequest", "headers"),
    ("ImportOpeningRequest", "rows"),
}


def check_texts(message: messages.Message, path: str = "") -> None:
    """Raises ``InvalidRequestError`` naming the field of a text that is too long or not printable."""
    for field, value in message.ListFields():
        if (message.DESCRIPTOR.name, field.name) in _AS_THEY_ARE:
            continue
        place = f"{path}{field.name}"
        if field.message_type is not None:
            _check_messages(field, value, place)
        elif field.type == field.TYPE_STRING:
            for text in value if field.is_repeated else (value,):
                check_text(text, place)


def _check_messages(field: Any, value: Any, place: str) -> None:
    if field.message_type.GetOptions().map_entry:
        for key, each in value.items():
            check_text(str(key), place)
            if isinstance(each, str):
                check_text(each, place)
    else:
        for each in value if field.is_repeated else (value,):
            check_texts(each, f"{place}.")
