"""`baton ui`: Dagster and MLflow on this machine, until Ctrl-C."""

import webbrowser

import click

from ml.home import Home


@click.command("ui", short_help="Serve Dagster and MLflow on this machine.")
@click.option("--dagster-port", default=3000, show_default=True, help="First port to try for Dagster.")
@click.option("--mlflow-port", default=5000, show_default=True, help="First port to try for MLflow.")
@click.option("--browser/--no-browser", default=False, show_default=True, help="Open Dagster in a browser.")
def command(dagster_port: int, mlflow_port: int, browser: bool) -> None:
    """Serve Dagster (with its daemon, so the schedule runs) and MLflow on 127.0.0.1.

    Taken ports are passed over, and said. Ctrl-C stops everything that was started. Logs are in the home's logs/.

    \b
    Example:
      baton ui --dagster-port 3100
    """
    from orchestration import serve

    def say(text: str) -> None:
        click.echo(text)
        if browser and text.startswith("Dagster: "):
            webbrowser.open(text.removeprefix("Dagster: "))

    serve.serve(Home.from_env(), say, dagster_port, mlflow_port)
