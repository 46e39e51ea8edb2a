"""The table of settings in ``docs/settings.md``, made of what Airflow is told about them."""

from __future__ import annotations

from airflow_hitl_review.provider_info import get_provider_info


def settings_table() -> str:
    """All options of ``[hitl_review]``, in the order of the provider information."""
    rows = ["| setting | type | default | |", "|---|---|---|---|"]
    for name, option in get_provider_info()["config"]["hitl_review"]["options"].items():
        default = f"`{option['default']}`" if option["default"] else "none"
        about = option["description"].replace("|", "\\|")
        if option["example"]:
            about += f" Example: `{option['example']}`."
        if option.get("sensitive"):
            about += " Airflow hides its value."
        rows.append(f"| `{name}` | {option['type']} | {default} | {about} |")
    return "\n".join(rows) + "\n"
