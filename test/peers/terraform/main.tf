terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true # the emulator has no names for buckets
  default_tags { tags = { environment = "bench" } }
}

variable "api_key" {
  type      = string
  sensitive = true
}

data "aws_caller_identity" "me" {}

data "aws_vpc" "default" { default = true }

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

locals {
  account = data.aws_caller_identity.me.account_id
  family  = "prefect_peer-bench_"
}

resource "aws_cloudwatch_log_group" "flows" {
  name              = "/peer/bench"
  retention_in_days = 30
}

resource "aws_s3_bucket" "flows" {
  bucket = "peer-bench-${local.account}"
}

resource "aws_s3_bucket_public_access_block" "flows" {
  bucket                  = aws_s3_bucket.flows.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "flows" {
  bucket = aws_s3_bucket.flows.id
  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "flows" {
  bucket = aws_s3_bucket.flows.id
  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}

resource "aws_s3_bucket_versioning" "flows" {
  bucket = aws_s3_bucket.flows.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_lifecycle_configuration" "flows" {
  bucket = aws_s3_bucket.flows.id
  rule {
    id     = "uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }
}

resource "aws_s3_bucket_policy" "flows" {
  bucket = aws_s3_bucket.flows.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny", Principal = "*", Action = "s3:*"
      Resource  = [aws_s3_bucket.flows.arn, "${aws_s3_bucket.flows.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_ssm_parameter" "key" {
  name  = "/peer/bench/prefect-api-key"
  type  = "SecureString"
  value = var.api_key
}

resource "aws_iam_role" "task" {
  name = "peer-bench-task"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "task" {
  name = "flows"
  role = aws_iam_role.task.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = aws_s3_bucket.flows.arn },
      { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = "${aws_s3_bucket.flows.arn}/*" },
    ]
  })
}

resource "aws_iam_role" "execution" {
  name = "peer-bench-execution"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "execution" {
  name = "flows"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.flows.arn}:*" },
      { Effect = "Allow", Action = "ssm:GetParameters", Resource = aws_ssm_parameter.key.arn },
    ]
  })
}

resource "aws_ecs_cluster" "flows" {
  name = "peer-bench"
}

resource "aws_ecs_cluster_capacity_providers" "flows" {
  cluster_name       = aws_ecs_cluster.flows.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_security_group" "tasks" {
  name   = "peer-bench-tasks"
  vpc_id = data.aws_vpc.default.id
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_sqs_queue" "dead" {
  name                      = "peer-bench-events-dlq"
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "events" {
  name                       = "peer-bench-events"
  message_retention_seconds  = 86400
  visibility_timeout_seconds = 300
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 5 })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url            = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.events.arn] })
}

resource "aws_cloudwatch_event_rule" "tasks" {
  name = "peer-bench-events"
  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Task State Change"]
    detail        = { clusterArn = [aws_ecs_cluster.flows.arn], group = [{ prefix = "family:${local.family}" }] }
  })
}

resource "aws_cloudwatch_event_target" "queue" {
  rule = aws_cloudwatch_event_rule.tasks.name
  arn  = aws_sqs_queue.events.arn
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Principal = { Service = "events.amazonaws.com" }, Action = "sqs:SendMessage"
      Resource  = aws_sqs_queue.events.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.tasks.arn } }
    }]
  })
}

resource "aws_key_pair" "agent" {
  key_name   = "peer-bench-agent"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3dM8zQ2n8gk1d6zB1mG7p9v8kO2T0c4l5aYxJr6q7S bench"
}

resource "aws_security_group" "agent" {
  name   = "peer-bench-agent"
  vpc_id = data.aws_vpc.default.id
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["203.0.113.7/32"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_iam_role" "agent" {
  name = "peer-bench-agent"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "agent" {
  role       = aws_iam_role.agent.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_role_policy" "agent" {
  name = "agent"
  role = aws_iam_role.agent.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Resource = "*"
      Action = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition", "ec2:DescribeSubnets", "ec2:DescribeVpcs"] },
      { Effect = "Allow", Action = "ecs:RunTask", Resource = "arn:aws:ecs:us-east-1:${local.account}:task-definition/${local.family}*:*" },
      { Effect = "Allow", Action = ["ecs:StopTask", "ecs:DescribeTasks", "ecs:TagResource"]
      Resource = "arn:aws:ecs:us-east-1:${local.account}:task/${aws_ecs_cluster.flows.name}/*" },
      { Effect = "Allow", Action = "iam:PassRole", Resource = [aws_iam_role.task.arn, aws_iam_role.execution.arn] },
      { Effect = "Allow", Resource = aws_sqs_queue.events.arn
      Action = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"] },
      { Effect = "Allow", Action = "logs:GetLogEvents", Resource = "${aws_cloudwatch_log_group.flows.arn}:*" },
      { Effect = "Allow", Action = "ssm:GetParameter", Resource = aws_ssm_parameter.key.arn },
    ]
  })
}

resource "aws_iam_instance_profile" "agent" {
  name = "peer-bench-agent"
  role = aws_iam_role.agent.name
}

resource "aws_instance" "agent" {
  ami                    = data.aws_ssm_parameter.image.value
  instance_type          = "t2.micro"
  subnet_id              = sort(data.aws_subnets.default.ids)[0]
  key_name               = aws_key_pair.agent.key_name
  iam_instance_profile   = aws_iam_instance_profile.agent.name
  vpc_security_group_ids = [aws_security_group.agent.id]
  user_data              = file("${path.module}/agent.sh")
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
  root_block_device {
    volume_type = "gp3"
    volume_size = 16
    encrypted   = true
  }
  depends_on = [aws_iam_role_policy.agent, aws_iam_role_policy_attachment.agent]
}
