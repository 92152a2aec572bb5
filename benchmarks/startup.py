"""Time until the command line answers, against bare Python and an empty Typer program."""

import subprocess
import sys
import time

RUNS = 7
HELP = "import sys; sys.argv = ['x', '--help']; "
EMPTY = (
    "import typer; app = typer.Typer(); app.command('one')(lambda: None); "
    "app.command('two')(lambda: None); app()"
)
COMMANDS = {
    "python": "pass",
    "import emoforge": "import emoforge",
    "empty Typer program --help": HELP + EMPTY,
    "emoforge --help": HELP + "from emoforge.cli import main; main()",
    "emoforge list": "import sys; sys.argv = ['x', 'list']; from emoforge.cli import main; main()",
}


def seconds(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    print(f"{'command':<30}{'best s':>8}{'median s':>10}")
    for name, program in COMMANDS.items():
        times = sorted(seconds(program) for _ in range(RUNS))
        print(f"{name:<30}{times[0]:>8.2f}{times[RUNS // 2]:>10.2f}")


if __name__ == "__main__":
    main()
