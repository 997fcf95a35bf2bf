"""The import of a dataset: a job that turns a source into an immutable version.

    source --collect--> items --decode--> spool --compare, split--> plan --write--> artifacts --publish--> version

Memory holds a few chunks of records and some 150 bytes for each; the records themselves wait in the job's scratch
folder.
"""
