import boto3
from prefect import flow


@flow(log_prints=True)
def hello(bucket: str, key: str, text: str) -> str:
    print("Hello from a task on Fargate.")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
    print(f"wrote s3://{bucket}/{key}")
    return key
