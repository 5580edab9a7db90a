"""A stand-in for SQS: its JSON protocol, as strict as AWS, in memory, with faults on demand."""
