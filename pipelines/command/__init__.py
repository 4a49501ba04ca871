"""The parts of the command ``streamseg``.

    subcommands.py   what each subcommand does with its arguments
    interrupt.py     Ctrl-C finishes the file
    output.py        standard output and error: any encoding, pipes that close, warnings
    progress.py      a progress bar, or lines for logs
    preview.py       the window of --preview
    allocator.py     settings of the memory allocator

The options are in streamseg.pipelines.cli.
"""
