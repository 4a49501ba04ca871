"""The parts of the command ``streamseg``.

    subcommands.py   what each subcommand does with its arguments
    interrupt.py     Ctrl-C finishes the file
    progress.py      a progress bar, or lines for logs
    preview.py       the window of --preview
    allocator.py     settings of the memory allocator

The options are in streamseg.pipelines.cli.
"""
