//! Compiles `tocsin/v1/*.proto` with protox: no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=tocsin");
    let files = protox::compile(["tocsin/v1/agent.proto"], ["."])?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::codec::SmallCodec")
        .compile_fds(files)?;
    Ok(())
}
