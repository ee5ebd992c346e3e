environment "dev" {
  prefect { api_url = "https://prefect.example.com/api" }
  agent {
    pip_packages = [
      "--index-url=https://pip.example.com/simple",
      "s3fs @ git+https://github.com/fsspec/s3fs",
      "./s3fs.whl",
      "s3fs; python_version < '3.12'",
      "s3fs $(id)",
      "s3fs==1\n--pre",
      "",
      "Prefect[dask]==2.0.0",
      "prefect_aws",
      "zope.interface",
      "Zope_Interface>=6",
    ]
  }
}
