"""The picture of the README: a real report, rendered by a real Chromium."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1000, 1680  # pixels of the page that are shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default="chromium")
    chromium = parser.parse_args().chromium
    with tempfile.TemporaryDirectory() as folder:
        run, shot = Path(folder) / "run", Path(folder) / "shot.png"
        fit = ["fit", "sklearn:breast_cancer", "--out", str(run)]
        subprocess.run([sys.executable, "-m", "tenfold.cli.main", *fit], check=True)
        window = [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}", "--hide-scrollbars"]
        page = (run / "report.html").as_uri()
        subprocess.run([chromium, "--headless", "--no-sandbox", "--disable-gpu", *window, page], check=True)
        PICTURE.parent.mkdir(exist_ok=True)
        Image.open(shot).convert("RGB").quantize(64).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
