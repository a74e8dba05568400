"""`baton doctor`: what is wrong with this installation, each finding with its fix."""

import click

from ml.home import Home
from orchestration.cli.errors import FAILED
from orchestration.cli.options import JSON


@click.command("doctor", short_help="What is wrong here, each finding with its fix.")
@JSON
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Look at versions, paths, locks, manifest, ownership, daemon, page addresses, disk; say the fix of each finding.

    Changes nothing. The exit code is 1 when a finding is an error; warnings leave it 0.

    \b
    Example:
      baton doctor --json
    """
    from orchestration.cli.findings import examine
    from orchestration.cli.output import console, emit_json

    findings = examine(Home.from_env())
    n_errors = sum(finding.level == "error" for finding in findings)
    if as_json:
        from orchestration.cli.facts import as_dict

        emit_json([as_dict(finding) for finding in findings])
    else:
        out = console()
        for finding in findings:
            style = {"ok": "green", "warning": "yellow", "error": "bold red"}[finding.level]
            out.print(f"[{style}]{finding.level:7}[/] {finding.area:10} ", end="")
            out.print(finding.found, markup=False, soft_wrap=True)
            if finding.fix:
                out.print(f"{'':18} fix: {finding.fix}", markup=False, soft_wrap=True)
        n_warnings = sum(finding.level == "warning" for finding in findings)
        out.print(f"\n{n_errors} errors, {n_warnings} warnings")
    if n_errors:
        ctx.exit(FAILED)
