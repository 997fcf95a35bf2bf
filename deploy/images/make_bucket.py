"""Makes the bucket of the object store, if it is not there. Usage: make_bucket.py [URL]

The URL is what --store takes, by default $SYNTHMILL_STORE: s3://BUCKET/PREFIX. The variables of the AWS SDK say where
the store is, and whose keys open it.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import boto3

# It is the only region that must not be named.
DEFAULT_REGION = "us-east-1"


def main(arguments: list[str]) -> None:
    """Makes the bucket of the URL."""
    bucket = urlsplit(arguments[0] if arguments else os.environ["SYNTHMILL_STORE"]).netloc
    client = boto3.session.Session().client("s3")
    if bucket not in {there["Name"] for there in client.list_buckets()["Buckets"]}:
        region = client.meta.region_name
        where = {} if region == DEFAULT_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=bucket, **where)
    print(f"{bucket} is there")


if __name__ == "__main__":
    main(sys.argv[1:])
