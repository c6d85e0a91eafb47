use super::*;

const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBfDCCASGgAwIBAgIUCwc9HImQ/VUvOCf6XoK80ukIjyMwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjIxMDMzMTdaGA8yMTI2MTAyOTEw
MzMxN1owEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABLvYuPZec3lRPBCvy9oa6alggcLgS1e/nIEeRvvOrxGdISRyPHlEbYoXp0tu
oqptDH59kUXv3VxnK6PCnqcn696jUzBRMB0GA1UdDgQWBBRJo1t237EcjpVqFKUA
WINNSLidaTAfBgNVHSMEGDAWgBRJo1t237EcjpVqFKUAWINNSLidaTAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCQ5D8lDYbBF/GmrxIune+2BcgE
OvrmEV0q9T2lb9yFxAIhAN5BtXdX56SWz+mdmzv27mn/qSEuphVkHPVclouDuoUi
-----END CERTIFICATE-----
";

#[test]
fn certificates_in_der_and_pem_one_and_several() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let pem = certificate::certificates(&write("ca.pem", CA.as_bytes())).unwrap();
    assert_eq!(pem.len(), 1);
    assert_eq!(certificate::certificates(&write("ca.cer", &pem[0])).unwrap(), pem);
    let chain = format!("\u{feff}{}comment\r\n{CA}", CA.replace('\n', "\r\n"));
    assert_eq!(
        certificate::certificates(&write("chain.pem", chain.as_bytes())).unwrap(),
        [pem[0].clone(), pem[0].clone()]
    );
}

#[test]
fn what_is_no_certificate_is_refused_with_path_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let der = {
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, CA).unwrap();
        certificate::certificates(path.to_str().unwrap())
            .unwrap()
            .remove(0)
    };
    let section = |kind: &str, body: &str| {
        format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n").into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", b" \n".to_vec(), "is empty"),
        (
            "garbage",
            b"hello".to_vec(),
            "is neither a DER nor a PEM certificate",
        ),
        (
            "key",
            section("PRIVATE KEY", "aHVudGVyMg=="),
            "is a private key, not a certificate",
        ),
        (
            "rsa",
            section("RSA PRIVATE KEY", "aHVudGVyMg=="),
            "is a private key, not a certificate",
        ),
        (
            "locked",
            section("ENCRYPTED PRIVATE KEY", "aHVudGVyMg=="),
            "is a private key, not a certificate",
        ),
        (
            "csr",
            section("CERTIFICATE REQUEST", "aHVudGVyMg=="),
            "is PEM without a CERTIFICATE section",
        ),
        ("not-base64", section("CERTIFICATE", "hunter2!"), "is damaged PEM"),
        (
            "endless",
            CA.replace("-----END CERTIFICATE-----", "").into_bytes(),
            "is damaged PEM",
        ),
        (
            "wrong",
            section("CERTIFICATE", "aHVudGVyMg=="),
            "certificate 1 does not parse",
        ),
        (
            "trailing",
            [der.as_slice(), b"x"].concat(),
            "certificate 1 has bytes after its end",
        ),
        (
            "truncated",
            der[..der.len() - 1].to_vec(),
            "is neither a DER nor a PEM certificate",
        ),
        ("large", vec![b' '; (4 << 20) + 1], "it is larger than 4 MiB"),
    ];
    for (name, content, cause) in cases {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        let fault = certificate::certificates(path.to_str().unwrap()).unwrap_err();
        assert!(fault.cause.contains(cause), "{name}: {}", fault.cause);
        assert!(
            !fault.cause.contains("hunter2") && !fault.cause.contains("aHVudGVyMg"),
            "{}",
            fault.cause
        );
    }
    refused(
        certificate::certificates,
        &[(
            "/no/such/file",
            "`/no/such/file`: cannot be read: No such file",
            "DER or PEM",
        )],
    );
}
