"""The proxies of macOS's system settings, which `urllib.request` reads there: none."""


def _get_proxy_settings():
    return {}


def _get_proxies():
    return {}
