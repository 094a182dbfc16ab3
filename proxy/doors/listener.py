"""Opens a listener for one of our small applications, or says which setting is in the way."""

from aiohttp import web

from proxy.errors import SettingsError


async def open_listener(app: web.Application, host: str, port: int, setting: str) -> web.AppRunner:
    """Serve it there. Raises `SettingsError`."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError([f"{setting}: {host}:{port}: {error.strerror}"]) from None
    return runner
