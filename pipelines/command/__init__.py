"""The parts of the command ``streamseg``.

    options.py       groups of options that several subcommands share
    subcommands.py   what each subcommand does with its arguments
    video_job.py     from options to a VideoJob
    cameras.py       the cameras and microphones of this machine
    doctor.py        what the installation and the machine have
    interrupt.py     Ctrl-C finishes the file
    output.py        standard output and error: any encoding, pipes that close, warnings
    progress.py      a progress bar, or lines for logs
    preview.py       the window of --preview
    allocator.py     settings of the memory allocator

The options of one subcommand are in streamseg.pipelines.cli.
"""
