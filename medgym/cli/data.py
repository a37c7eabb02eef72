"""The commands on data of one's own, under ``medgym data``."""

import typer

from .terminal import app

data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Bring data in, check it, make questions of it.")
app.add_typer(data, name="data")
