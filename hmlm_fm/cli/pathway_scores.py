"""What `hmlm crosstalk` does: scores of ordered pairs of pathways."""

from __future__ import annotations

from ..common.files import check_output_files, write_text
from ..inference.crosstalk import score_crosstalk
from .command_options import CrosstalkOptions
from .condition_arguments import load_one_network, own_files

MOST_ROWS = 20


def run_crosstalk(options: CrosstalkOptions) -> None:
    """Score the pathways of a network, write the requested files, and print the highest scores.

    Raises:
        FormatError: a file cannot be read or must not be written.
        HMLMError: there are no two pathways, or the checkpoint does not load or is fine-tuned.
        OSError: a file cannot be written.
    """
    check_output_files(options.out, options.plot, own_files(options.network), options.force)
    network = load_one_network(options.network, options.pathway)
    table = score_crosstalk(network, options.model)
    if options.out is not None:
        write_text(options.out, table.to_csv(index=False, lineterminator="\n"))
    if options.plot is not None:
        from ..inference.figures import plot_crosstalk  # matplotlib takes its time

        plot_crosstalk(options.plot, table, network.name)
    print(table.head(MOST_ROWS).to_string(index=False, float_format="%.3f"))
    if len(table) > MOST_ROWS:
        print(f"and {len(table) - MOST_ROWS} pairs more; --out FILE.csv holds all")
